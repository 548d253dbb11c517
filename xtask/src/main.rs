//! The tasks of contributors and CI: `cargo xtask <task>`.
//!
//! It starts programs and links none of the workspace's crates, so that it compiles in seconds and still works when they
//! do not. `demo`, `bench` and `fmt` run here. Every other task is passed, with its arguments unchanged, to the program
//! in `xtask/pipeline`, which [`pipeline`] builds first.

mod bench;
mod cli;
mod demo;
mod pipeline;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use xshell::cmd;

use cli::{Cli, Task};
use workspace::Workspace;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&words) {
        Ok(status) => status,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the task that the arguments name.
fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let cli = Cli::parse_from(std::iter::once(OsString::from("xtask")).chain(words.iter().cloned()));
    match cli.task {
        Task::Help { mut task } => {
            task.push("--help".into());
            run(&task)
        }
        Task::Pipeline(_) => Err(pipeline::become_program(&Workspace::find()?, words)),
        Task::Demo(demo) => demo::run(&demo, &Workspace::find()?),
        Task::Bench { passthrough } => bench::run(&passthrough, &Workspace::find()?),
        Task::Fmt { check } => format(check, &Workspace::find()?),
    }
}

/// Formats the workspace, or checks that it is formatted.
fn format(check: bool, workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let shell = workspace.shell()?;
    let checks = if check { &["--check"][..] } else { &[] };
    let formatted = cmd!(shell, "cargo fmt --all {checks...}").run();
    formatted.map_err(|error| match check {
        true => anyhow::anyhow!("{error}\n  help: run `cargo xtask fmt`"),
        false => error.into(),
    })?;
    Ok(ExitCode::SUCCESS)
}
