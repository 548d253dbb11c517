//! The stages that need no account: lint, programs, tests and the checks of Terraform code.

use crate::context::Context;
use crate::need::Need;
use crate::stage::{Action, Artifact, Effect, Io, Part, Stage};
use crate::test;
use rds_iam_checks::gates::{self, Gate};
use rds_iam_checks::infra::check;
use rds_iam_checks::lint;
use rds_iam_images::package::{self, Package};
use rds_iam_process::clock;
use rds_iam_process::console::Console;
use rds_iam_process::engine::{self, Engine};
use rds_iam_process::error::Error;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::steps::{self, Outcome, Step};
use rds_iam_process::tools::{self, Tool};
use rds_iam_process::workspace;

/// The undo text of stages that write only logs and build folders.
const NOTHING: &str = "nothing to undo: only build folders change";

pub(super) const LINT: Stage = Stage {
    name: "lint",
    purpose: "Check format, lints, documentation, dependencies, workflows and the repository's own rules",
    inputs: &[],
    outputs: &[Artifact::Verdict("lint")],
    effect: Effect::Local,
    part: Part::Every,
    undo: NOTHING,
    minutes: 45,
    exit: 22,
    needs: |_| vec![Need::Cargo, Need::Program("git", "apt-get install git"), Need::Listed("linters")],
    actions: |context| {
        let workspace = context.workspace;
        Ok(vec![all_of("`cargo xtask lint`", move |io| lint::ci_steps(workspace, io.console, io.runner))])
    },
};

pub(super) const PROGRAMS: Stage = Stage {
    name: "programs",
    purpose: "Build the programs that the pipeline runs, and bootstrap's Lambda package",
    inputs: &[],
    outputs: &[Artifact::Programs],
    effect: Effect::Local,
    part: Part::Every,
    undo: NOTHING,
    minutes: 45,
    exit: 23,
    // cargo-zigbuild, which builds the package, is installed with pip.
    needs: |_| vec![Need::Cargo, Need::Program("python3", "apt-get install python3 python3-venv")],
    actions: |context| {
        let workspace = context.workspace;
        if workspace::is_prebuilt() {
            return Ok(vec![Action::new("find what was built elsewhere", move |_| built_elsewhere(context))]);
        }
        // If the tests run too, or this machine emulates AWS, everything is needed and built at once: if
        // built one by one, packages have other features, and everything would be built twice.
        if context.environment.is_none() || context.is_local() {
            return Ok(vec![
                check::programs(workspace).into(),
                Action::new("package bootstrap for this machine", move |io| {
                    package::run(&Package::of_this_machine(), workspace, io.runner, io.console).map(|_| None)
                }),
            ]);
        }
        let build = ["build", "--locked", "--package", "rds-iam"];
        let environment = context.environment()?;
        let mut actions =
            vec![workspace.cargo(build).hint("the compiler's message above says what to fix").into()];
        // Built once for a plan, which includes it: another build would be another package.
        if context.plans {
            let package = environment.package(workspace)?;
            let what = format!(
                "package bootstrap for {}: {}",
                environment.architecture,
                package.file(workspace).display()
            );
            actions.push(Action::new(what, move |io| {
                package::run(&package, workspace, io.runner, io.console).map(|_| None)
            }));
        }
        Ok(actions)
    },
};

/// Checks that the files built by an earlier job exist; their digest was compared when they were unpacked.
fn built_elsewhere(context: &Context<'_>) -> Result<Option<String>, Error> {
    let mut files = vec![context.workspace.target.join("debug/rds-iam")];
    if context.plans {
        files.push(context.environment()?.package(context.workspace)?.file(context.workspace));
    }
    match files.iter().find(|file| !file.is_file()) {
        None => Ok(Some("built elsewhere".to_owned())),
        Some(missing) => Err(Error::Found {
            found: format!("{} was not passed on by the job that builds", missing.display()),
            help: "a package is in target/lambda, and build.yml is called with `parts: package` or `all`"
                .to_owned(),
        }),
    }
}

pub(super) const TEST: Stage = Stage {
    name: "test",
    purpose: "Run all tests against real servers, and check the demo's claims",
    inputs: &[Artifact::Programs],
    outputs: &[Artifact::Verdict("test")],
    effect: Effect::Local,
    part: Part::Every,
    undo: NOTHING,
    minutes: 60,
    exit: 24,
    needs: |_| {
        vec![
            Need::Cargo,
            Need::Listed("Python"),
            Need::Listed("Python venv and pip"),
            Need::Listed("AWS API"),
            Need::Listed("MySQL server"),
            Need::Listed("PostgreSQL server"),
            Need::Listed("psql"),
            Need::Listed("docker-registry"),
            Need::Listed("Node.js and npm"),
            Need::Listed("JDK"),
            Need::DatabaseServers,
        ]
    },
    actions: |context| {
        let workspace = context.workspace;
        let chosen = Engine::from_env().and_then(|engine| engine::choose(engine, io().runner));
        // If it is unavailable, preflight reports the reason.
        let engine = chosen.map_or(Engine::Docker, |chosen| chosen.engine);
        let what = format!("`cargo xtask test --runtime {}`", engine.as_str());
        Ok(vec![all_of(&what, move |io| test::own_steps(engine, workspace, io.console, io.runner))])
    },
};

pub(super) const VALIDATE: Stage = Stage {
    name: "validate",
    purpose: "Check Terraform's format, and each module's and stack's validity and tests",
    inputs: &[],
    outputs: &[Artifact::Verdict("validate")],
    effect: Effect::Local,
    part: Part::Every,
    undo: NOTHING,
    minutes: 20,
    exit: 10,
    needs: |_| vec![Need::Tool(Tool::Terraform), Need::Provider],
    actions: |context| {
        let workspace = context.workspace;
        Ok(vec![all_of("`cargo xtask infra check`", move |io| {
            check::validate_steps(workspace, io.console, io.runner)
        })])
    },
};

pub(super) const TFLINT: Stage = Stage {
    name: "tflint",
    purpose: "Lint the Terraform code with tflint's rules and those for AWS",
    inputs: &[],
    outputs: &[Artifact::Verdict("tflint")],
    effect: Effect::Local,
    part: Part::Every,
    undo: NOTHING,
    minutes: 10,
    exit: 11,
    needs: |_| vec![Need::Tool(Tool::Tflint)],
    actions: |context| {
        let tflint = found(Tool::Tflint, context);
        Ok(vec![gate(context, vec![gates::tflint(&tflint, context.workspace)])])
    },
};

pub(super) const CHECKOV: Stage = Stage {
    name: "checkov",
    purpose: "Check the Terraform code against checkov's security rules",
    inputs: &[],
    outputs: &[Artifact::Verdict("checkov")],
    effect: Effect::Local,
    part: Part::Every,
    undo: NOTHING,
    minutes: 15,
    exit: 12,
    needs: |_| vec![Need::Listed("Python venv and pip"), Need::Listed("checkov")],
    actions: |context| {
        let assumed = tools::assumed(Tool::Checkov, context.workspace);
        let assumed = gates::checkov(&assumed, context.workspace);
        // It is installed if missing, unlike any other tool.
        Ok(vec![Action::new(shown(context, assumed.commands()), move |io| {
            let checkov = tools::checkov(context.workspace, io.console, io.runner)?;
            passed(context, &[gates::checkov(&checkov, context.workspace)], io)
        })])
    },
};

/// Returns a pinned tool, or its expected path if it is missing, which preflight has reported.
pub(super) fn found(tool: Tool, context: &Context<'_>) -> tools::Found {
    tools::find(tool, context.workspace, io().runner)
        .unwrap_or_else(|_| tools::assumed(tool, context.workspace))
}

/// Returns the action that runs the gates of one tool and judges them together.
pub(super) fn gate<'c>(context: &'c Context<'_>, checks: Vec<Gate>) -> Action<'c> {
    Action::new(shown(context, checks.iter().flat_map(Gate::commands)), move |io| {
        passed(context, &checks, io)
    })
}

/// Returns the commands of one action for a dry run.
pub(super) fn shown<'a>(context: &Context<'_>, commands: impl IntoIterator<Item = &'a Cmd>) -> String {
    let root = &context.workspace.root;
    let shown: Vec<String> = commands.into_iter().map(|cmd| format!("$ {}", cmd.shown_for(root))).collect();
    shown.join("\n  ")
}

fn passed(context: &Context<'_>, checks: &[Gate], io: &Io) -> Result<Option<String>, Error> {
    let today = clock::date(context.now);
    match gates::pass(checks, context.workspace, today, io.console, io.runner)? {
        Outcome::Passed => Ok(None),
        Outcome::Warned(note) | Outcome::NotRun(note) => Ok(Some(note)),
    }
}

/// Returns one action for all steps, which prints a table of them.
fn all_of<'c>(command: &str, steps: impl Fn(&Io) -> Vec<Step<'c>> + Send + 'c) -> Action<'c> {
    let names = steps::names(&steps(&io()));
    Action::new(format!("of {command}: {names}"), move |io| {
        if steps::run(io.console, steps(io)) {
            return Ok(None);
        }
        Err(Error::Found {
            found: "a step failed".to_owned(),
            help: "the table above names it, and its own message says what to do".to_owned(),
        })
    })
}

/// Returns the console and runner of a stage that is only described.
fn io() -> Io {
    let console = Console::from_env();
    Io { console, runner: Runner::new(console) }
}
