//! `cargo xtask bench`: release builds of what is measured, then the benchmarks.

use std::time::Instant;

use crate::console::{Console, Log};
use crate::demo::PLUGIN_VARIABLE;
use crate::error::Error;
use crate::file;
use crate::runner::{Cmd, Runner};
use crate::workspace::Workspace;

/// What is measured, and what measures.
const PACKAGES: [&str; 3] = ["rds-iam-app", "rds-iam-bench", "rds-iam-mysql-plugin"];

/// Builds and runs the benchmarks; `passthrough` goes to the benchmark program as it is.
///
/// # Errors
/// When a build or a benchmark fails.
pub(crate) fn run(
    passthrough: &[String],
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<(), Error> {
    console.line(&overhead(workspace)?);
    console.line(&clean_build(workspace, runner)?);
    let build = workspace
        .cargo(["build", "--release", "--locked"])
        .args(PACKAGES.iter().flat_map(|package| ["--package", package]))
        .hint("the compiler's message above says what to mend");
    runner.run(&build)?;
    // What was just built: `cargo run --package` would resolve other features and build it all again.
    let program = workspace.target.join("release/rds-iam-bench").display().to_string();
    let bench = Cmd::new(program, &workspace.root, "the build before this makes it")
        .args(["--save".to_owned(), workspace.target.join("bench/latest.json").display().to_string()])
        .args(["--xtask".to_owned(), workspace.target.join("debug/xtask").display().to_string()])
        .args(["--tools".to_owned(), workspace.cache.join("tools").display().to_string()])
        .args(passthrough.iter().cloned())
        .env(PLUGIN_VARIABLE, workspace.mysql_plugin("release").display().to_string())
        .hint("the benchmark named above says what it missed");
    runner.run(&bench)?;
    Ok(())
}

/// How often a program that does nothing is started, each way.
const STARTS: u32 = 200;

/// What the runner adds to a command: the same program started by it, with a log, and without it.
fn overhead(workspace: &Workspace) -> Result<String, Error> {
    let log = workspace.target.join("bench/overhead.log");
    file::make_folder(log.parent().unwrap_or(&log))?;
    let log = Log::create(&log, false).map_err(file::failed("make", &log))?;
    let runner = Runner::new(Console::from_env().log(log));
    let nothing = Cmd::new("true", &workspace.root, "install coreutils");
    let (mut ours, mut theirs) = (0.0, 0.0);
    for _ in 0..STARTS {
        let started = Instant::now();
        runner.run(&nothing)?;
        ours += started.elapsed().as_secs_f64();
        let started = Instant::now();
        let status = nothing.process().status().map_err(|source| nothing.not_started(source))?;
        theirs += started.elapsed().as_secs_f64();
        debug_assert!(status.success());
    }
    let of = |seconds: f64| seconds * 1000.0 / f64::from(STARTS);
    Ok(format!(
        "runner: {:.2} ms a command, {:.2} ms without it: overhead {:.2} ms (goal < 5)",
        of(ours),
        of(theirs),
        of(ours - theirs)
    ))
}

/// How long whoever has just cloned waits for `cargo xtask --help`.
fn clean_build(workspace: &Workspace, runner: Runner) -> Result<String, Error> {
    let folder = workspace.target.join("bench/xtask");
    file::remove_folder(&folder)?;
    let args = ["run", "--quiet", "--locked", "--package", "xtask", "--target-dir"];
    let help = workspace.cargo(args).args([folder.display().to_string()]).args(["--", "--help"]);
    let started = Instant::now();
    runner.ask_within(&help, std::time::Duration::from_secs(600))?;
    Ok(format!("xtask: {:.1} s from a clean build to --help (goal < 30)", started.elapsed().as_secs_f64()))
}
