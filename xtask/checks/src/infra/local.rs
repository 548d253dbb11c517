//! `cargo xtask infra local`: applies a deployment of each engine to an emulated AWS API on this machine, destroys it, and
//! checks each step. MySQL's ([`instance`]) is also changed in place; PostgreSQL's ([`cluster`]) has a shorter life.

mod cluster;
mod cycle;
mod instance;
mod leftovers;

use cycle::Cycle;

use super::check;
use super::target::{AURORA, Engine, LOCAL};
use rds_iam_images::package::{self, Package};
use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::runner::Runner;
use rds_iam_process::steps::{self, Outcome, Step};
use rds_iam_process::workspace::Workspace;

/// Runs the life cycle of one engine's deployment, or of each; returns false if a step failed.
///
/// # Errors
/// Returns an error if it could not start.
pub(crate) fn run(
    engine: Option<Engine>,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<bool, Error> {
    let instance = Cycle::new("local", &LOCAL, workspace, console, runner);
    let cluster = Cycle::new("cluster", &AURORA, workspace, console, runner);
    let mut steps = vec![
        Step::new("build", || {
            runner.run(&check::programs(workspace))?;
            Ok(Outcome::Passed)
        }),
        Step::new("package", || {
            package::run(&Package::of_this_machine(), workspace, runner, console)?;
            Ok(Outcome::Passed)
        }),
    ];
    if engine != Some(Engine::Postgresql) {
        steps.extend(instance.steps(instance::life()));
    }
    if engine != Some(Engine::Mysql) {
        steps.extend(cluster.steps(cluster::life()));
    }
    Ok(steps::run(console, steps))
}
