//! Steps of `cargo xtask lint`: format, the repository's own rules, workflows, Dockerfiles, dependencies and
//! advisories (cargo-deny), clippy and rustdoc.

use std::time::Duration;

use xshell::cmd;

use crate::gates;
use crate::hygiene;
use crate::packages;
use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::runner::{Cmd, RunError, Runner};
use rds_iam_process::steps::{Outcome, Step};
use rds_iam_process::tools::CARGO_DENY;
use rds_iam_process::workspace::{CARGO_HELP, Workspace};

/// The environment variable that lists checks to skip if their data can't be fetched.
const OFFLINE_VARIABLE: &str = "RDS_IAM_OFFLINE";
/// The time limit for fetching the advisory database and the registry's index.
const FETCHED_WITHIN: Duration = Duration::from_secs(300);

/// The result of the advisories step if their database can't be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unreachable {
    /// Listed as not run: a contributor's machine need not reach GitHub.
    NotRun,
    /// Failed, unless `RDS_IAM_OFFLINE` names it: CI has to check.
    Fails,
}

/// Formats the workspace, or checks that it is formatted.
///
/// # Errors
/// Returns an error if a file is not formatted, or is not valid Rust.
pub fn format(check: bool, workspace: &Workspace, runner: Runner) -> Result<Outcome, Error> {
    let shell = workspace.shell();
    let only_check = check.then_some("--check");
    let format = Cmd::from_xshell(cmd!(shell, "cargo fmt --all {only_check...}"), CARGO_HELP);
    let format = if check { format.hint("run `cargo xtask fmt`") } else { format };
    runner.run(&format)?;
    Ok(Outcome::Passed)
}

/// Returns the steps of `cargo xtask lint`, fast ones first.
pub fn steps<'a>(workspace: &'a Workspace, console: Console, runner: Runner) -> Vec<Step<'a>> {
    steps_with(Unreachable::NotRun, workspace, console, runner)
}

/// Returns the steps in CI, where advisories have to be checked, and the published crates in each of their forms.
pub fn ci_steps<'a>(workspace: &'a Workspace, console: Console, runner: Runner) -> Vec<Step<'a>> {
    let mut steps = steps_with(Unreachable::Fails, workspace, console, runner);
    steps.extend(packages::steps(workspace, console, runner));
    steps
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

/// Returns the steps for Rust alone, which need only its tools.
pub fn rust_steps(workspace: &Workspace, runner: Runner) -> Vec<Step<'_>> {
    std::iter::once(Step::new("format", move || format(true, workspace, runner)))
        .chain(compiled(workspace, runner))
        .collect()
}

/// Returns the steps that compile.
fn compiled(workspace: &Workspace, runner: Runner) -> [Step<'_>; 2] {
    [
        Step::new("lints", move || {
            let shell = workspace.shell();
            let clippy = cmd!(shell, "cargo clippy --workspace --all-targets --locked -- -D warnings");
            let clippy = Cmd::from_xshell(clippy, CARGO_HELP);
            runner.run(&clippy.hint("fix clippy's findings, or `#[expect(…, reason = \"…\")]`"))?;
            Ok(Outcome::Passed)
        }),
        Step::new("documentation", move || {
            let shell = workspace.shell();
            let doc =
                cmd!(shell, "cargo doc --workspace --no-deps --locked").env("RUSTDOCFLAGS", "-D warnings");
            let doc = Cmd::from_xshell(doc, CARGO_HELP).hint("fix the links and examples that rustdoc names");
            runner.run(&doc)?;
            Ok(Outcome::Passed)
        }),
    ]
}

/// Checks licences, bans and sources of all dependencies, by the rules of `deny.toml`.
fn dependencies(workspace: &Workspace, console: Console, runner: Runner) -> Result<Outcome, Error> {
    let program = CARGO_DENY.find_or_build(workspace, console, runner)?;
    let shell = workspace.shell();
    // cargo-deny reads every platform's dependencies; a build fetches only this platform's.
    let fetch = Cmd::from_xshell(cmd!(shell, "cargo fetch --locked"), CARGO_HELP);
    runner.run(&fetch.hint("run any cargo build, and commit Cargo.lock"))?;
    let check =
        cmd!(shell, "{program} --locked --offline check --hide-inclusion-graph licenses bans sources");
    let check = Cmd::from_xshell(check, CARGO_DENY.help());
    runner.run(&check.hint("deny.toml gives the reason for each rule"))?;
    Ok(Outcome::Passed)
}

/// Checks all dependencies for known vulnerabilities (RustSec) and withdrawn versions.
fn advisories(
    unreachable: Unreachable,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<Outcome, Error> {
    let program = CARGO_DENY.find_or_build(workspace, console, runner)?;
    let shell = workspace.shell();
    let fetch = cmd!(shell, "{program} --locked fetch db index");
    let fetch = Cmd::from_xshell(fetch, CARGO_DENY.help()).within(FETCHED_WITHIN);
    if let Err(error) = runner.run(&fetch) {
        if matches!(error, RunError::Stopped { .. }) {
            return Err(error.into());
        }
        let offline = std::env::var(OFFLINE_VARIABLE).unwrap_or_default();
        let accepted = offline.split(',').any(|what| what.trim() == "advisories");
        if accepted || unreachable == Unreachable::NotRun {
            // Listed as not run, so that a green table does not suggest that the check passed.
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
    let check = cmd!(shell, "{program} --locked check --disable-fetch --hide-inclusion-graph advisories");
    runner.run(&Cmd::from_xshell(check, CARGO_DENY.help()).hint(
        "update the dependency (cargo update -p NAME), or ignore the advisory in deny.toml with a reason",
    ))?;
    Ok(Outcome::Passed)
}
