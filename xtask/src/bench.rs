//! `cargo xtask bench`: release builds of what is measured, then the benchmarks.

use crate::demo::PLUGIN_VARIABLE;
use crate::error::Error;
use crate::runner::{Cmd, Runner};
use crate::workspace::Workspace;

/// What is measured, and what measures.
const PACKAGES: [&str; 3] = ["rds-iam-app", "rds-iam-bench", "rds-iam-mysql-plugin"];

/// Builds and runs the benchmarks; `passthrough` goes to the benchmark program as it is.
///
/// # Errors
/// When a build or a benchmark fails.
pub(crate) fn run(passthrough: &[String], workspace: &Workspace, runner: Runner) -> Result<(), Error> {
    let build = workspace
        .cargo(["build", "--release", "--locked"])
        .args(PACKAGES.iter().flat_map(|package| ["--package", package]))
        .hint("the compiler's message above says what to mend");
    runner.run(&build)?;
    // What was just built: `cargo run --package` would resolve other features and build it all again.
    let program = workspace.target.join("release/rds-iam-bench").display().to_string();
    let bench = Cmd::new(program, &workspace.root, "the build before this makes it")
        .args(["--save".to_owned(), workspace.target.join("bench/latest.json").display().to_string()])
        .args(passthrough.iter().cloned())
        .env(PLUGIN_VARIABLE, workspace.mysql_plugin("release").display().to_string())
        .hint("the benchmark named above says what it missed");
    runner.run(&bench)?;
    Ok(())
}
