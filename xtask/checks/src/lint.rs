//! `cargo xtask lint` and `fmt`: everything that is checked without running the project.

use std::time::Duration;

use crate::gates;
use crate::hygiene;
use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::runner::{RunError, Runner};
use rds_iam_process::steps::{Outcome, Step};
use rds_iam_process::tools;
use rds_iam_process::workspace::Workspace;

/// Names what may be left out where it can't be fetched, and why nothing fails then.
const OFFLINE_VARIABLE: &str = "RDS_IAM_OFFLINE";
/// How long fetching the advisory database and the registry's index may take.
const FETCHED_WITHIN: Duration = Duration::from_secs(300);

/// What becomes of the step on advisories where their database can't be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unreachable {
    /// It is listed as not run: a contributor's machine need not reach GitHub.
    NotRun,
    /// It fails, unless `RDS_IAM_OFFLINE` names it: CI has to look.
    Fails,
}

/// Formats the workspace, or checks that it is formatted.
///
/// # Errors
/// When something is not formatted, or not Rust.
pub fn format(check: bool, workspace: &Workspace, runner: Runner) -> Result<Outcome, Error> {
    let format = workspace.cargo(["fmt", "--all"]);
    let format = if check { format.args(["--check"]).hint("run `cargo xtask fmt`") } else { format };
    runner.run(&format)?;
    Ok(Outcome::Passed)
}

/// The steps of `cargo xtask lint`, quick ones first.
pub fn steps<'a>(workspace: &'a Workspace, console: Console, runner: Runner) -> Vec<Step<'a>> {
    steps_with(Unreachable::NotRun, workspace, console, runner)
}

/// The same in CI, where advisories have to be looked up.
pub fn ci_steps<'a>(workspace: &'a Workspace, console: Console, runner: Runner) -> Vec<Step<'a>> {
    steps_with(Unreachable::Fails, workspace, console, runner)
}

fn steps_with<'a>(
    unreachable: Unreachable,
    workspace: &'a Workspace,
    console: Console,
    runner: Runner,
) -> Vec<Step<'a>> {
    vec![
        Step::new("format", move || format(true, workspace, runner)),
        Step::new("repository", move || hygiene::run(workspace, console, runner)),
        Step::new("workflows", move || gates::workflows(workspace, console, runner)),
        Step::new("Dockerfiles", move || gates::dockerfiles(workspace, console, runner)),
        Step::new("dependencies", move || dependencies(workspace, console, runner)),
        Step::new("advisories", move || advisories(unreachable, workspace, console, runner)),
    ]
    .into_iter()
    .chain(compiled(workspace, runner))
    .collect()
}

/// Those about Rust alone, which need nothing but its tools.
pub fn rust_steps(workspace: &Workspace, runner: Runner) -> Vec<Step<'_>> {
    std::iter::once(Step::new("format", move || format(true, workspace, runner)))
        .chain(compiled(workspace, runner))
        .collect()
}

/// Those that compile.
fn compiled(workspace: &Workspace, runner: Runner) -> [Step<'_>; 2] {
    [
        Step::new("lints", move || {
            let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
            runner.run(
                &workspace.cargo(clippy).hint("fix what clippy names, or `#[expect(…, reason = \"…\")]`"),
            )?;
            Ok(Outcome::Passed)
        }),
        Step::new("documentation", move || {
            let doc = workspace
                .cargo(["doc", "--workspace", "--no-deps", "--locked"])
                .env("RUSTDOCFLAGS", "-D warnings")
                .hint("fix the links and examples that rustdoc names");
            runner.run(&doc)?;
            Ok(Outcome::Passed)
        }),
    ]
}

/// Licences, bans and sources of all dependencies, by the rules of `deny.toml`.
fn dependencies(workspace: &Workspace, console: Console, runner: Runner) -> Result<Outcome, Error> {
    let program = tools::cargo_deny(workspace, console, runner)?;
    // cargo-deny looks at every platform's dependencies, a build has fetched this one's alone.
    let fetch = workspace.cargo(["fetch", "--locked"]).hint("run any cargo build, and commit Cargo.lock");
    runner.run(&fetch)?;
    let check = workspace
        .tool(&program, tools::cargo_deny_help())
        .args(["--locked", "--offline", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"])
        .hint("deny.toml gives the reason for each rule");
    runner.run(&check)?;
    Ok(Outcome::Passed)
}

/// Known weaknesses of all dependencies (RustSec), and versions that were withdrawn.
fn advisories(
    unreachable: Unreachable,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<Outcome, Error> {
    let program = tools::cargo_deny(workspace, console, runner)?;
    let deny = || workspace.tool(&program, tools::cargo_deny_help());
    let fetch = deny().args(["--locked", "fetch", "db", "index"]).within(FETCHED_WITHIN);
    if let Err(error) = runner.run(&fetch) {
        if matches!(error, RunError::Stopped { .. }) {
            return Err(error.into());
        }
        let offline = std::env::var(OFFLINE_VARIABLE).unwrap_or_default();
        let accepted = offline.split(',').any(|what| what.trim() == "advisories");
        if accepted || unreachable == Unreachable::NotRun {
            // Listed, so that a green table is not taken for a check that was never made.
            return Ok(Outcome::NotRun("the advisory database (GitHub) could not be fetched".to_owned()));
        }
        return Err(Error::Found {
            found: format!("the advisory database could not be fetched: {error}"),
            help: format!(
                "github.com and the registry's index must be reachable; where they never are, {OFFLINE_VARIABLE}=advisories \
                 leaves this out, and says so"
            ),
        });
    }
    let check = ["--locked", "check", "--disable-fetch", "--hide-inclusion-graph", "advisories"];
    runner.run(&deny().args(check).hint(
        "update the dependency (cargo update -p NAME), or ignore the advisory in deny.toml with a reason",
    ))?;
    Ok(Outcome::Passed)
}
