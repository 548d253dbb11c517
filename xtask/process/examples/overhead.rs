//! Benchmark of the runner's overhead: the same program started through the runner with a log, and directly.
//! `cargo xtask bench` runs it.

use std::process::ExitCode;
use std::time::Instant;

use rds_iam_process::console::{Console, Log};
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::workspace::Workspace;

/// The number of starts of a program that does nothing, per variant.
const STARTS: u32 = 200;

fn main() -> ExitCode {
    let console = Console::from_env();
    match overhead(console) {
        Ok(line) => {
            console.line(&line);
            ExitCode::SUCCESS
        }
        Err(error) => {
            console.line(&error.report());
            ExitCode::FAILURE
        }
    }
}

fn overhead(console: Console) -> Result<String, Error> {
    let workspace = Workspace::find(Runner::new(console))?;
    let log = workspace.target.join("bench/overhead.log");
    file::make_folder(log.parent().unwrap_or(&log))?;
    let log = Log::create(&log, false).map_err(file::failed("make", &log))?;
    let runner = Runner::new(console.log(log));
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
