//! The pipeline: its stages and runs, the checks and tests, and the requirements of a machine. The operator
//! starts it as `cargo xtask TASK`.
//!
//! [`cli`] has the tasks, and `start` below names the module or package of each: [`run`] and [`stages`] are the pipeline
//! itself. All programs are started by [`runner`], and tasks of several steps end with a table of them.

mod args;
mod attestation;
mod bases;
mod bundle;
mod cli;
mod commands;
mod comment;
mod confirm;
mod context;
mod doctor;
mod dry_run;
mod engines;
mod environment;
mod explain;
mod gate_results;
mod local;
mod lock;
mod need;
#[cfg(test)]
mod pages;
mod permissions;
mod plan_summary;
mod preflight;
mod report;
mod request;
mod run;
mod schedule;
mod selection;
mod show;
mod stage;
mod stages;
mod test;
#[cfg(test)]
mod workflows;

use std::process::ExitCode;

use clap::Parser as _;

use args::Options;
use cli::{Cli, StageTask, Task};
use doctor::NOT_BEGUN;
use rds_iam_checks::infra::{self, Infra};
use rds_iam_checks::lint;
use rds_iam_infra::Engine as Database;
use rds_iam_process::console::{Console, Style};
use rds_iam_process::engine::Engine;
use rds_iam_process::error::Error;
use rds_iam_process::runner::{self, RunError, Runner};
use rds_iam_process::workspace::Workspace;
use rds_iam_process::{steps, tools};
use request::Request;
use selection::Run;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console::from_env();
    let announce = move |text: &str| console.line(&console.paint(Style::Warning, &format!("\n{text}")));
    if let Err(error) = runner::watch_signals(announce) {
        // Ctrl-C then ends this process at once, like any program.
        console.line(&format!("warning: signals can't be watched: {error}"));
    }
    match start(cli.task, console) {
        Ok(status) => status.into(),
        Err(Error::Run(RunError::Stopped { .. })) if runner::interrupted() => {
            report::interrupted(console).into()
        }
        Err(error) => {
            console.line(&console.paint(Style::Bad, &error.report()));
            match error {
                _ if runner::interrupted() => report::interrupted(console).into(),
                // The same status as clap's.
                Error::Usage { .. } => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Runs one task and returns the exit status; a task reports its own failures.
fn start(task: Task, console: Console) -> Result<u8, Error> {
    let runner = Runner::new(console);
    let workspace = Workspace::find(runner)?;
    let status = |status| if runner::interrupted() { report::interrupted(console) } else { status };
    let all_well = |well: bool| if well { 0 } else { status(1) };
    let ready = |tasks, engine| doctor::preflight(tasks, engine, &workspace, console, runner);
    let pipeline = |request: Request| run::run(&request, &workspace, console, runner);
    match task {
        Task::Test { runtime, only } => {
            // Clients need Java and Node.js, which the crates alone do not.
            let tasks: &[_] = match only {
                Some(test::Only::Crates | test::Only::Soak | test::Only::Tunnel) => &[doctor::Task::Crates],
                Some(test::Only::Clients) | None => &[doctor::Task::Test],
            };
            let Some(chosen) = ready(tasks, Engine::or_from_env(runtime)?) else {
                return Ok(status(NOT_BEGUN));
            };
            console.line(&chosen.why);
            let steps = match only {
                None => test::steps(chosen.engine, &workspace, console, runner),
                Some(test::Only::Crates) => test::crates_steps(chosen.engine, &workspace, console, runner),
                Some(test::Only::Soak) => test::soak_steps(chosen.engine, &workspace, runner),
                Some(test::Only::Clients) => test::clients_steps(chosen.engine, &workspace, runner),
                Some(test::Only::Tunnel) => test::tunnel_steps(chosen.engine, &workspace, runner),
            };
            let well = steps::run(console, steps);
            if only == Some(test::Only::Crates) {
                console.line(&test::left_out_of_crates());
            }
            Ok(all_well(well))
        }
        Task::Ci { options } => pipeline(Request::new(Run::Ci, None, options)),
        Task::Deploy { environment, infrastructure_only, accept_scan, options } => {
            let options = if infrastructure_only { options.without_image() } else { options };
            pipeline(Request { accept_scan, ..Request::new(Run::Deploy, environment.env, options) })
        }
        Task::Promote { from, to, digest, accept_skipped, reason, only, report } => pipeline(Request {
            promote_from: from,
            digest,
            accept_skipped,
            reason,
            ..Request::new(Run::Promote, to, Options::from_only(only, report))
        }),
        Task::Rollback { environment, options } => {
            pipeline(Request::new(Run::Rollback, environment.env, options))
        }
        Task::Destroy { environment, no_snapshot, options } => {
            pipeline(Request { no_snapshot, ..Request::new(Run::Destroy, environment.env, options) })
        }
        Task::Stage(StageTask { name, args }) => pipeline(Request::from_stage(name, args.env, args.report)),
        Task::PullRequestComment { file } => comment::run(&file, &workspace, runner).map(|()| 0),
        Task::Infra(task) => {
            // Only these two are started by an operator; the callers of the others have checked the requirements.
            let checks = matches!(task, Infra::Check | Infra::Local { .. });
            if checks && ready(&[doctor::Task::Infra], Engine::from_env()?).is_none() {
                return Ok(status(NOT_BEGUN));
            }
            infra::run(task, &workspace, console, runner).map(all_well)
        }
        Task::Lint => Ok(all_well(steps::run(console, lint::steps(&workspace, console, runner)))),
        Task::PrepareDemo { with_infra, database, runtime } => {
            use doctor::Task::{Demo, DemoPostgres, Infra};
            let tasks: &[_] = match (database, with_infra) {
                (Database::MySql, false) => &[Demo],
                (Database::MySql, true) => &[Demo, Infra],
                (Database::Postgres, false) => &[DemoPostgres],
                (Database::Postgres, true) => &[DemoPostgres, Infra],
            };
            if ready(tasks, Engine::or_from_env(runtime)?).is_none() {
                return Ok(status(NOT_BEGUN));
            }
            if with_infra {
                infra::prepare(&workspace, console, runner)?;
            }
            Ok(0)
        }
        Task::Tools(task) => tools::run(&task, &workspace, console, runner).map(all_well),
        Task::Doctor { json } => Ok(all_well(doctor::run(json, &workspace, console, runner))),
    }
}
