//! `cargo xtask test`: everything that is tested, on a machine that has just been set up.

use crate::console::Console;
use crate::demo::PLUGIN_VARIABLE;
use crate::engine::{ENGINE_VARIABLE, Engine};
use crate::error::Error;
use crate::infra;
use crate::lint;
use crate::runner::{Cmd, Runner};
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// The steps of `cargo xtask test`; `engine` has been chosen (it is not `Auto`).
pub(crate) fn steps<'a>(
    engine: Engine,
    workspace: &'a Workspace,
    console: Console,
    runner: Runner,
) -> Vec<Step<'a>> {
    let mut steps = lint::steps(workspace, console, runner);
    let mut own = own_steps(engine, workspace, runner);
    let tests = own.split_off(2);
    steps.extend(own);
    steps.extend(infra::check_steps(workspace, console, runner));
    steps.extend(tests);
    steps
}

/// The tests themselves: build, servers, tests, doc tests, demo.
pub(crate) fn own_steps<'a>(engine: Engine, workspace: &'a Workspace, runner: Runner) -> Vec<Step<'a>> {
    vec![
        Step::new("build", move || build(workspace, runner)),
        Step::new("servers", move || {
            runner.run(&prepare(engine, workspace))?;
            Ok(Outcome::Passed)
        }),
        Step::new("tests", move || {
            let tests = ["test", "--workspace", "--locked", "--all-targets", "--no-fail-fast"];
            runner.run(&tested(workspace.cargo(tests), engine, workspace))?;
            Ok(Outcome::Passed)
        }),
        Step::new("doc tests", move || {
            let tests = ["test", "--workspace", "--locked", "--doc", "--no-fail-fast"];
            runner.run(&tested(workspace.cargo(tests), engine, workspace))?;
            Ok(Outcome::Passed)
        }),
        Step::new("demo", move || {
            runner.run(&demo(engine, workspace))?;
            Ok(Outcome::Passed)
        }),
    ]
}

/// Builds all at once what the steps after it run. Building packages one by one would compile their
/// dependencies once for every set of features.
///
/// The plugin is among it: tests cannot depend on another package's library file.
fn build(workspace: &Workspace, runner: Runner) -> Result<Outcome, Error> {
    runner.run(&workspace.cargo(["build", "--workspace", "--locked", "--all-targets"]))?;
    let file = workspace.mysql_plugin("debug");
    if file.is_file() {
        return Ok(Outcome::Passed);
    }
    Err(Error::Found {
        found: format!("the build left no {}", file.display()),
        mend: "crates/emulator/mysql-plugin must be a cdylib named AWSAuthenticationPlugin".to_owned(),
    })
}

/// Fetches and builds the servers, which takes minutes the first time, where progress shows; inside
/// the tests it would look like a test that hangs.
fn prepare(engine: Engine, workspace: &Workspace) -> Cmd {
    demo_program(workspace, engine)
        .args(["prepare"])
        .hint("`cargo xtask doctor` lists what is missing on this machine")
}

/// The demo as it is shown to people, its claims included.
fn demo(engine: Engine, workspace: &Workspace) -> Cmd {
    let binaries = workspace.target.join("debug").display().to_string();
    demo_program(workspace, engine)
        .args(["--bin-dir", &binaries, "--once"])
        .hint("a claim in the table above does not hold, or the platform did not start")
}

fn demo_program(workspace: &Workspace, engine: Engine) -> Cmd {
    let demo = workspace.target.join("debug/rds-iam-demo").display().to_string();
    Cmd::new(demo, &workspace.root, "the build before this step makes it")
        .args(["--engine", engine.as_str()])
        .env(PLUGIN_VARIABLE, workspace.mysql_plugin("debug").display().to_string())
}

/// `cmd` with what tests are told about this machine.
fn tested(cmd: Cmd, engine: Engine, workspace: &Workspace) -> Cmd {
    cmd.env(PLUGIN_VARIABLE, workspace.mysql_plugin("debug").display().to_string())
        .env(ENGINE_VARIABLE, engine.as_str())
        .hint("the tests that failed are named above")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_the_engine_and_the_plugin() {
        let workspace = Workspace { root: "/r".into(), target: "/t".into(), cache: "/c".into() };
        insta::assert_snapshot!(
            tested(workspace.cargo(["test"]), Engine::Docker, &workspace).shown(),
            @"RDS_IAM_MYSQL_PLUGIN=/t/debug/libAWSAuthenticationPlugin.so RDS_IAM_EMULATOR_ENGINE=docker cargo test"
        );
        insta::assert_snapshot!(
            prepare(Engine::Process, &workspace).shown(),
            @"RDS_IAM_MYSQL_PLUGIN=/t/debug/libAWSAuthenticationPlugin.so /t/debug/rds-iam-demo --engine process prepare"
        );
        insta::assert_snapshot!(
            demo(Engine::Docker, &workspace).shown(),
            @"RDS_IAM_MYSQL_PLUGIN=/t/debug/libAWSAuthenticationPlugin.so /t/debug/rds-iam-demo --engine docker --bin-dir /t/debug --once"
        );
    }
}
