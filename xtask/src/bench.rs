//! `cargo xtask bench`: release builds of what is measured, then the benchmarks.

use crate::demo::{PACKAGES, PLUGIN_VARIABLE};
use crate::error::Error;
use crate::runner::Runner;
use crate::workspace::Workspace;

/// Builds and runs the benchmarks; `passthrough` goes to the benchmark program as it is.
///
/// # Errors
/// When a build or a benchmark fails.
pub(crate) fn run(passthrough: &[String], workspace: &Workspace, runner: Runner) -> Result<(), Error> {
    let mut build = workspace
        .cargo(["build", "--release", "--locked", "--package", "rds-iam-bench"])
        .hint("the compiler's message above says what to mend");
    for package in PACKAGES {
        build = build.args(["--package", package]);
    }
    runner.run(&build)?;
    let bench = workspace
        .cargo(["run", "--release", "--locked", "--package", "rds-iam-bench", "--", "--save"])
        .args([workspace.target.join("bench/latest.json").display().to_string()])
        .args(passthrough.iter().cloned())
        .env(PLUGIN_VARIABLE, workspace.mysql_plugin("release").display().to_string())
        .hint("the benchmark named above says what it missed");
    runner.run(&bench)?;
    Ok(())
}
