//! `cargo xtask lint` and `fmt`: everything that is checked without running the project.

use crate::console::Console;
use crate::error::Error;
use crate::gates;
use crate::hygiene;
use crate::runner::Runner;
use crate::steps::{Outcome, Step};
use crate::tools;
use crate::workspace::Workspace;

/// Formats the workspace, or checks that it is formatted.
///
/// # Errors
/// When something is not formatted, or not Rust.
pub(crate) fn format(check: bool, workspace: &Workspace, runner: Runner) -> Result<Outcome, Error> {
    let format = workspace.cargo(["fmt", "--all"]);
    let format = if check { format.args(["--check"]).hint("run `cargo xtask fmt`") } else { format };
    runner.run(&format)?;
    Ok(Outcome::Passed)
}

/// The steps of `cargo xtask lint`, quick ones first.
pub(crate) fn steps<'a>(workspace: &'a Workspace, console: Console, runner: Runner) -> Vec<Step<'a>> {
    vec![
        Step::new("format", move || format(true, workspace, runner)),
        Step::new("repository", move || hygiene::run(workspace, console, runner)),
        Step::new("workflows", move || gates::workflows(workspace, console, runner)),
        Step::new("Dockerfiles", move || gates::dockerfiles(workspace, console, runner)),
        Step::new("dependencies", move || dependencies(workspace, console, runner)),
        Step::new("advisories", || {
            // Listed, so that nobody takes a green table for a check that was never made.
            Ok(Outcome::NotRun(
                "needs the advisory database from the network: `cargo deny check advisories`".to_owned(),
            ))
        }),
    ]
    .into_iter()
    .chain(compiled(workspace, runner))
    .collect()
}

/// Those about Rust alone, which need nothing but its tools.
pub(crate) fn rust_steps(workspace: &Workspace, runner: Runner) -> Vec<Step<'_>> {
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
                &workspace.cargo(clippy).hint("mend what clippy names, or `#[expect(…, reason = \"…\")]`"),
            )?;
            Ok(Outcome::Passed)
        }),
        Step::new("documentation", move || {
            let doc = workspace
                .cargo(["doc", "--workspace", "--no-deps", "--locked"])
                .env("RUSTDOCFLAGS", "-D warnings")
                .hint("mend the links and examples that rustdoc names");
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
        .tool(&program, tools::cargo_deny_mend())
        .args(["--locked", "--offline", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"])
        .hint("deny.toml gives the reason for each rule");
    runner.run(&check)?;
    Ok(Outcome::Passed)
}
