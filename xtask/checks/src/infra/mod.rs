//! `cargo xtask infra`: runs the subcommands `check`, `local` (apply, change and destroy against an emulated
//! AWS API), `package` (bootstrap's Lambda package) and `apply`, all without an AWS account.

mod aws;
mod cache;
pub mod check;
mod deployment;
mod local;
pub mod provider;
mod readme;
mod shared_provider;
mod target;
pub mod terraform;

use std::path::PathBuf;

use rds_iam_images::package::{self, Package};
use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::runner::Runner;
use rds_iam_process::steps;
use rds_iam_process::workspace::Workspace;

pub use check::steps as check_steps;
pub use target::Engine;

/// The tasks of `cargo xtask infra`.
#[derive(Debug, clap::Subcommand)]
pub enum Infra {
    /// Check all modules and stacks: format, validity, tests, the rules for plans, checkov
    Check,
    /// Apply, change and destroy the whole deployment against an AWS API on this machine
    Local {
        /// Only this engine's deployment [default: each, one after the other]
        #[arg(long, value_enum)]
        engine: Option<Engine>,
    },
    /// Build bootstrap's Lambda package
    Package(Package),
    /// Apply the deployment to the AWS API on this machine that `AWS_ENDPOINT_URL` names
    #[command(hide = true)]
    Apply {
        /// The database's engine
        #[arg(long, value_enum, default_value = "mysql")]
        engine: Engine,
        /// Where to write Terraform's outputs
        #[arg(long, value_name = "FILE")]
        outputs: PathBuf,
    },
}

/// Runs one task; returns false if the task has already reported its failure.
///
/// # Errors
/// Returns an error if it could not start.
pub fn run(task: Infra, workspace: &Workspace, console: Console, runner: Runner) -> Result<bool, Error> {
    match task {
        Infra::Check => Ok(steps::run(console, check::steps(workspace, console, runner))),
        Infra::Local { engine } => local::run(engine, workspace, console, runner),
        Infra::Package(package) => package::run(&package, workspace, runner, console).map(|_| true),
        Infra::Apply { engine, outputs } => {
            deployment::apply_here(engine, &outputs, workspace, runner).map(|()| true)
        }
    }
}

/// Builds the inputs of a deployment to this machine: the workspace's programs and bootstrap's package.
///
/// # Errors
/// Returns an error if a build fails.
pub fn prepare(workspace: &Workspace, console: Console, runner: Runner) -> Result<(), Error> {
    runner.run(&check::programs(workspace))?;
    package::run(&Package::of_this_machine(), workspace, runner, console).map(drop)
}
