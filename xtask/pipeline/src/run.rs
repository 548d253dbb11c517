//! Runs the stages of a request: validation, preflight, the stages, the report.

use crate::args::ReportArgs;
use crate::context::{Commit, Context, Promotion};
use crate::engines;
use crate::environment::Environment;
use crate::gate_results::{self, GateOutcome, GateResults};
use crate::request::Request;
use crate::schedule::{self, Done};
use crate::selection::{self, Run};
use crate::show::Show;
use crate::stage::{Effect, Stage};
use crate::{bases, confirm, dry_run, explain, lock, preflight, report};
use rds_iam_images::image::Bases;
use rds_iam_process::clock;
use rds_iam_process::console::{Console, Style};
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{self, Runner};
use rds_iam_process::workspace::Workspace;

/// The exit status if a requirement is missing before the first stage.
const MISSING: u8 = 3;

/// Runs a request and returns the exit status.
///
/// # Errors
/// Returns an error if it could not start.
pub(crate) fn run(
    request: &Request,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<u8, Error> {
    let ReportArgs { explain, dry_run, .. } = &request.options.report;
    if let Some(stage) = explain.as_deref().filter(|stage| !stage.is_empty()) {
        explain::stage(stage)?.iter().for_each(|line| console.line(line));
        return Ok(0);
    }
    let context = match context(request, workspace, runner) {
        Err(error @ Error::Found { .. }) => return Ok(wrong_setting(&error, console)),
        context => context?,
    };
    request.validate(&context)?;
    let mut all = request.run.stages(context.is_local());
    let selected = request.options.selection.select(&all, request.run)?;
    let (stages, left_out) = request.of_its_parts(selected, &context)?;
    all.retain(|stage| !left_out.iter().any(|left| left.name == stage.name));
    if explain.is_some() {
        let lines = explain::run(request.run, &stages).into_iter();
        lines.chain(explain::left_out(&left_out, &context)).for_each(|line| console.line(&line));
        return Ok(0);
    }
    let context = Context {
        bases: bases::choose(&stages, &context, console, runner)?,
        // Run alone, the stage `programs` builds for a plan that another job makes.
        plans: request.run == Run::One("programs")
            || stages.iter().any(|stage| matches!(stage.name, "plan" | "destroy-plan")),
        applies: stages.iter().any(|stage| matches!(stage.name, "apply" | "destroy")),
        ..context
    };
    if let Err(error) = confirm::refuse_another_name(request.run, &context) {
        return Ok(wrong_setting(&error, console));
    }
    if *dry_run {
        return dry_run::run(request.run, &stages, &context, console, runner);
    }
    let _lock = lock::acquire(&context)?;
    if let Some(status) = preflight(request.run, &stages, &context, console, runner) {
        return Ok(status);
    }
    if let Err(error) = prepare_reports(&request.options.report, workspace) {
        return Ok(wrong_setting(&error, console));
    }
    preflight::install(&stages, &context, console, runner)?;
    if console.is_live() || stages.len() > 1 {
        console.line(&console.paint(Style::Heading, &heading(request, &context)));
    }
    record_skipped(&all, &context)?;
    let done = execute(&stages, &context, console)?;
    Ok(report(&done, request, &context, console))
}

/// Checks that the reports can be written after the run, and then removes old ones, which a reader could mistake for
/// this run's, and the numbers of tests that an earlier run counted. Devices and pipes stay, as `/dev/null`.
fn prepare_reports(ReportArgs { json, junit, .. }: &ReportArgs, workspace: &Workspace) -> Result<(), Error> {
    engines::forget(workspace)?;
    let reports = || json.iter().chain(junit);
    reports().try_for_each(|path| file::check_writable(path))?;
    reports().filter(|path| path.is_file() && !file::is_special(path)).try_for_each(|path| file::remove(path))
}

/// Reports all missing requirements. Returns the exit status if there are any or the run was interrupted.
fn preflight(
    run: Run,
    stages: &[&Stage],
    context: &Context<'_>,
    console: Console,
    runner: Runner,
) -> Option<u8> {
    let mut missing = preflight::check(stages, context, runner);
    missing.extend(selection::unmet(run, stages, context));
    let asks = missing.is_empty();
    if asks {
        missing = preflight::check_caller(stages, context, console, runner, false);
    }
    // A check that was interrupted has no result: nothing is known to be missing.
    if runner::interrupted() {
        return Some(report::interrupted(console));
    }
    if missing.is_empty() {
        return None;
    }
    preflight::report(&missing, console);
    let later = preflight::not_asked_yet(stages, context).filter(|_| !asks);
    later.iter().for_each(|note| console.line(note));
    Some(not_begun(console))
}

/// Prints and writes the reports, and returns the exit status.
fn report(done: &[Done], request: &Request, context: &Context<'_>, console: Console) -> u8 {
    let ReportArgs { json, junit, .. } = &request.options.report;
    report::print(done, context, console);
    let mut exit = report::exit(done);
    let json = json.as_ref().map(|path| report::write_json(path, done, request.run, context));
    let junit = junit.as_ref().map(|path| report::write_junit(path, done, request.run));
    for written in [json, junit, Some(report::summarise(done, request.run, context))].into_iter().flatten() {
        if let Err(error) = written {
            // The run's own result matters more than a report that can't be written.
            console.line(&console.paint(Style::Bad, &error.report()));
            exit = exit.max(1);
        }
    }
    exit
}

/// Reports an invalid setting like a missing requirement, and returns the exit status.
fn wrong_setting(error: &Error, console: Console) -> u8 {
    console.line(&console.paint(Style::Bad, &error.report()));
    not_begun(console)
}

fn not_begun(console: Console) -> u8 {
    console.line(&format!("nothing was begun; exit status {MISSING}"));
    MISSING
}

fn context<'a>(request: &Request, workspace: &'a Workspace, runner: Runner) -> Result<Context<'a>, Error> {
    let read = |name: &String| Environment::read(name, workspace);
    let environment = request.environment.as_ref().map(read).transpose()?;
    let promotion = match &request.promote_from {
        Some(from) => Some(Promotion {
            from: read(from)?,
            digest: request.digest.clone(),
            accept_skipped: request.accept_skipped.clone(),
            reason: request.reason.clone().unwrap_or_else(|| format!("what runs in {from}")),
        }),
        None => None,
    };
    Ok(Context {
        workspace,
        commit: Commit::find(workspace, runner)?,
        environment,
        promotion,
        bases: bases::from_env()?.unwrap_or(Bases::Pinned),
        skipped: request.options.selection.skip.clone(),
        plans: false,
        applies: false,
        destroys: request.run == Run::Destroy,
        no_snapshot: request.no_snapshot,
        accept_scan: request.accept_scan.clone(),
        now: clock::now(),
    })
}

fn heading(request: &Request, context: &Context<'_>) -> String {
    let environment = context.environment.as_ref().map(|environment| format!(" of {}", environment.name));
    format!("{}{} at {}", request.run.name(), environment.unwrap_or_default(), context.commit.short())
}

/// Runs the stages; the operator confirms before the first destructive one.
fn execute(stages: &[&'static Stage], context: &Context<'_>, console: Console) -> Result<Vec<Done>, Error> {
    let first = stages.iter().position(|stage| stage.effect == Effect::Destructive).unwrap_or(stages.len());
    let (before, destructive) = stages.split_at(first);
    let mut done = run_stages(before, context, console);
    if destructive.is_empty() {
        return Ok(done);
    }
    if let Some(stopped) = done.iter().find(|done| !done.end.passed()) {
        let why = format!("{} did not pass", stopped.stage.name);
        done.extend(destructive.iter().map(|stage| Done::not_run(stage, why.clone())));
        return Ok(done);
    }
    confirm::confirm_destruction(context, console)?;
    done.extend(run_stages(destructive, context, console));
    Ok(done)
}

fn run_stages(stages: &[&'static Stage], context: &Context<'_>, console: Console) -> Vec<Done> {
    let mut show = Show::new(console, stages.len());
    let done = schedule::run(stages, context, console, &mut show);
    show.end();
    done
}

/// Records the gates skipped by the operator.
fn record_skipped(all: &[&'static Stage], context: &Context<'_>) -> Result<(), Error> {
    let skipped: Vec<_> = all
        .iter()
        .filter(|stage| stage.is_gate() && context.skipped.iter().any(|name| name == stage.name))
        .collect();
    if skipped.is_empty() {
        return Ok(());
    }
    let mut results = GateResults::load(context);
    for stage in skipped {
        results.set(stage.name, GateOutcome::Skipped, "named in --skip", context);
    }
    results.write(&gate_results::path(context))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_nothing_of_an_earlier_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let workspace = Workspace { root: path.clone(), target: path.join("target"), cache: path.clone() };
        let json = path.join("report.json");
        let counts = engines::tests::written(&workspace);
        assert_eq!(engines::counted(&workspace), Some(counts));
        std::fs::write(&json, "{}").unwrap();
        let report = ReportArgs { json: Some(json.clone()), ..ReportArgs::default() };
        prepare_reports(&report, &workspace).unwrap();
        assert_eq!(engines::counted(&workspace), None);
        assert!(!json.exists());
    }
}
