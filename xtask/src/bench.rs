//! `cargo xtask bench`: measures the runner's overhead and a clean build of xtask, then builds the measured
//! programs in release mode and runs the benchmark program.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use xshell::cmd;

use crate::workspace::{SERVER_LIBRARY_PACKAGES, Workspace, plain, server_libraries};

/// The measured packages and the benchmark's.
const PACKAGES: [&str; 4] = ["rds-iam-app", "rds-iam-bootstrap", "rds-iam", "rds-iam-bench"];

/// Builds and runs the benchmarks; `passthrough` is forwarded to the benchmark program unchanged.
///
/// # Errors
/// Returns an error if a build or a benchmark fails.
pub(crate) fn run(passthrough: &[String], workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let shell = workspace.shell()?;
    let target = workspace.target()?;
    overhead(workspace)?;
    println!("{}", clean_build(workspace)?);
    // The pipeline's program runs the measured `ci`.
    plain(cmd!(shell, "cargo build --locked --package rds-iam-pipeline")).run()?;
    let packages = PACKAGES.iter().chain(&SERVER_LIBRARY_PACKAGES).flat_map(|package| ["--package", package]);
    plain(cmd!(shell, "cargo build --release --locked {packages...}")).run()?;
    // Runs the built file: `cargo run --package` would resolve other features and build everything again.
    let release = target.join("release");
    let program = release.join("rds-iam-bench");
    let (results, pipeline) = (target.join("bench/latest.json"), target.join("debug/rds-iam-pipeline"));
    let tools = cache().context("set RDS_IAM_CACHE_DIR to the folder of tools and servers")?.join("tools");
    cmd!(shell, "{program} --save {results} --xtask {pipeline} --tools {tools} {passthrough...}")
        .envs(server_libraries(&release))
        .run()?;
    Ok(ExitCode::SUCCESS)
}

/// Measures the runner's overhead per command, with an example of that package.
fn overhead(workspace: &Workspace) -> anyhow::Result<()> {
    let shell = workspace.shell()?;
    plain(cmd!(shell, "cargo run --quiet --locked --package rds-iam-process --example overhead")).run()?;
    Ok(())
}

/// Measures the time until `cargo xtask --help` prints after a fresh clone.
fn clean_build(workspace: &Workspace) -> anyhow::Result<String> {
    let shell = workspace.shell()?;
    let folder = workspace.target()?.join("bench/xtask");
    shell.remove_path(&folder)?;
    let started = Instant::now();
    plain(cmd!(shell, "cargo run --quiet --locked --package xtask --target-dir {folder} -- --help"))
        .read()?;
    Ok(format!("xtask: {:.1} s from a clean build to --help (goal < 30)", started.elapsed().as_secs_f64()))
}

/// Returns the cache folder: `RDS_IAM_CACHE_DIR`, else `$XDG_CACHE_HOME/rds-iam`, else `~/.cache/rds-iam`, by
/// the pipeline's rule.
fn cache() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
    set("RDS_IAM_CACHE_DIR")
        .or_else(|| set("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("rds-iam")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/rds-iam")))
}
