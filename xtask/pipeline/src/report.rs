//! The report of a run: a table, JSON, JUnit, and the summary of a job on GitHub.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use crate::context::Context;
use crate::engines;
use crate::schedule::Done;
use crate::selection::Run;
use rds_iam_process::clock;
use rds_iam_process::console::{Console, Style};
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner;
use rds_iam_process::summary::{self, End};

/// The exit status of a run that was interrupted, by the shells' convention: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

/// Reports that the run was interrupted and returns its exit status.
pub(crate) fn interrupted(console: Console) -> u8 {
    console.line(&format!("interrupted; exit status {INTERRUPTED}"));
    INTERRUPTED
}

/// Returns the exit status of a run: that of the stage that failed.
pub(crate) fn exit(done: &[Done]) -> u8 {
    let failed = done.iter().find(|done| done.end.failed());
    match failed {
        Some(done) => done.stage.exit,
        None if runner::interrupted() => INTERRUPTED,
        None => 0,
    }
}

/// Prints the table, and how to continue for each stage that did not finish.
pub(crate) fn print(done: &[Done], context: &Context<'_>, console: Console) {
    summary::print("stage", &done.iter().map(Done::row).collect::<Vec<_>>(), console);
    for done in done {
        // The remaining state and how to continue, for stages that were interrupted.
        if matches!(done.end, End::Failed(_) | End::Stopped(_)) {
            console.line(&format!("{}: {}", done.stage.name, done.stage.undo));
        }
    }
    if !context.skipped.is_empty() {
        let skipped = format!("skipped, as asked for by name: {}", context.skipped.join(", "));
        console.line(&console.paint(Style::Warning, &skipped));
    }
    match exit(done) {
        0 => {}
        INTERRUPTED => drop(interrupted(console)),
        exit => console.line(&format!("exit status {exit}")),
    }
}

/// Returns the full report of a run, for `--json`.
pub(crate) fn json(done: &[Done], run: Run, context: &Context<'_>) -> Value {
    let stages: Vec<Value> = done
        .iter()
        .map(|done| {
            json!({
                "name": done.stage.name,
                "result": done.end.label().to_lowercase().replace(' ', "-"),
                "note": done.end.note(),
                "seconds": done.took.map(|took| (took.as_secs_f64() * 1000.0).round() / 1000.0),
                "exit": done.stage.exit,
                "effect": done.stage.effect.as_str(),
                "log": done.log,
                "error": if let End::Failed(error) = &done.end { Some(error.report()) } else { None },
            })
        })
        .collect();
    json!({
        "run": run.name(),
        "environment": context.environment.as_ref().map(|environment| &environment.name),
        "commit": context.commit.identity(),
        "started": clock::rfc3339(context.now),
        "skipped": context.skipped,
        "exit": exit(done),
        "stages": stages,
        // The numbers of tests of each engine, if this run counted them.
        "engines": ran("test", done).then(|| engines::counted(context.workspace)).flatten(),
    })
}

fn ran(stage: &str, done: &[Done]) -> bool {
    done.iter().any(|done| done.stage.name == stage && done.took.is_some())
}

/// Writes the JSON report.
///
/// # Errors
/// Returns an error if the file can't be written.
pub(crate) fn write_json(path: &Path, done: &[Done], run: Run, context: &Context<'_>) -> Result<(), Error> {
    file::replace(path, format!("{:#}\n", json(done, run, context)))
}

/// Writes the run as a JUnit test suite: a stage is a case.
///
/// # Errors
/// Returns an error if the file can't be written.
pub(crate) fn write_junit(path: &Path, done: &[Done], run: Run) -> Result<(), Error> {
    let mut suite = TestSuite::new(run.name());
    for done in done {
        let status = match &done.end {
            End::Passed(_) | End::Warned(_) => TestCaseStatus::success(),
            End::Failed(error) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(error.brief()).set_description(error.report());
                status
            }
            End::Stopped(_) | End::NotRun(_) => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(done.end.note());
                status
            }
        };
        let mut case = TestCase::new(done.stage.name, status);
        case.set_classname(run.name()).set_time(done.took.unwrap_or(Duration::ZERO));
        suite.add_test_case(case);
    }
    let mut report = Report::new("cargo xtask");
    report.add_test_suite(suite);
    let xml = report.to_string().map_err(|error| Error::Found {
        found: format!("the run can't be written as JUnit: {error}"),
        help: "leave out --junit, and report it".to_owned(),
    })?;
    file::replace(path, xml)
}

/// Adds the run to the summary of the job on GitHub, whose file a variable names.
///
/// # Errors
/// Returns an error if the file can't be written.
pub(crate) fn summarise(done: &[Done], run: Run, context: &Context<'_>) -> Result<(), Error> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let mut text = format!("### {}\n\n| Stage | Result | Seconds | |\n|---|---|---:|---|\n", run.name());
    for done in done {
        let [name, result, seconds, note] = done.row().cells();
        let note = note.replace('|', "\\|");
        text.push_str(&format!("| {name} | {result} | {} | {note} |\n", seconds.trim()));
    }
    for (stage, page) in [("plan", "plan.md"), ("destroy-plan", "destroy.md")] {
        if ran(stage, done)
            && let Ok(plan) = file::read(&context.file(page))
        {
            text.push_str(&format!("\n{plan}"));
        }
    }
    let path = std::path::PathBuf::from(path);
    let open = std::fs::File::options().append(true).create(true).open(&path);
    open.and_then(|mut summary| summary.write_all(text.as_bytes())).map_err(file::failed("write", &path))
}
