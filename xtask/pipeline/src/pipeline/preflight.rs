//! Before a run begins: everything that it needs, all of it looked at, all that is missing told at once
//! with what mends it.

use std::path::PathBuf;

use super::caller;
use super::context::Context;
use super::show::annotation;
use super::stage::Stage;
use crate::doctor;
use rds_iam_checks::infra::terraform;
use rds_iam_process::console::{Console, Style};
use rds_iam_process::engine::{self, Engine};
use rds_iam_process::error::Error;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::tools::{self, Tool};
use rds_iam_process::workspace::CARGO_MEND;

/// Something that a stage needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A program on `PATH`, and what to do where it is missing.
    Program(&'static str, &'static str),
    /// A program on `PATH`, or in a package of its name that this run can install: as root, where there is apt.
    Packaged(&'static str),
    /// An entry of the doctor's list, by its name.
    Listed(&'static str),
    Cargo,
    /// A pinned tool.
    Tool(Tool),
    /// Terraform's AWS provider.
    Provider,
    /// A container engine that answers.
    Engine,
    /// What database servers run as, where it was asked for by name.
    DatabaseServers,
    /// One that builds with BuildKit.
    BuildKit,
    /// The processor of the environment's machines: an image is built for the engine's own.
    Processor,
    /// A file that a person writes, and what it is for.
    File(PathBuf, &'static str),
    /// Tracked files as they were committed: what is deployed must be in the repository.
    CleanClone,
    /// Credentials of the environment's account.
    Credentials,
    /// A right of the caller: an action, and an ARN without `arn:<partition>:`. IAM is asked about all of them with
    /// the credentials.
    Permission(&'static str, String),
}

/// One thing that is missing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) what: String,
    pub(crate) mend: String,
    pub(crate) stages: String,
}

/// Checks everything that `stages` need on this machine, which takes no time; what is missing. AWS is asked by
/// [`ask_about_caller`].
pub(crate) fn look(stages: &[&Stage], context: &Context<'_>, runner: Runner) -> Vec<Missing> {
    let mut missing: Vec<Missing> = Vec::new();
    for need in &needs(stages, context) {
        let Err(error) = check(need, context, runner) else { continue };
        let found = lacking(&error, users(need, stages, context));
        match missing.iter_mut().find(|other| other.what == found.what) {
            // Two needs may lack the same thing.
            Some(other) => {
                for stage in found.stages.split(", ") {
                    if !other.stages.split(", ").any(|known| known == stage) {
                        other.stages.push_str(&format!(", {stage}"));
                    }
                }
            }
            None => missing.push(found),
        }
    }
    missing
}

/// Asks AWS whose credentials these are, and which rights of `stages` they lack. Where `only_looks`, the program that
/// asks is not built for it.
pub(crate) fn ask_about_caller(
    stages: &[&Stage],
    context: &Context<'_>,
    console: Console,
    runner: Runner,
    only_looks: bool,
) -> Vec<Missing> {
    let needs = needs(stages, context);
    // `look` has reported that there can be no credentials.
    if !needs.contains(&Need::Credentials) || caller::may_log_in().is_err() {
        return Vec::new();
    }
    match caller::lacks(&needs, context, console, runner, only_looks) {
        Ok(rights) => rights
            .into_iter()
            .map(|(right, what)| Missing {
                what,
                mend: caller::MEND.to_owned(),
                stages: users(right, stages, context),
            })
            .collect(),
        Err(error) => vec![lacking(&error, users(&Need::Credentials, stages, context))],
    }
}

/// What `stages` need, each once.
fn needs(stages: &[&Stage], context: &Context<'_>) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    for need in stages.iter().flat_map(|stage| (stage.needs)(context)) {
        if !needs.contains(&need) {
            needs.push(need);
        }
    }
    needs
}

fn lacking(error: &Error, stages: String) -> Missing {
    Missing { what: error.to_string(), mend: error.mend().unwrap_or("see the message").to_owned(), stages }
}

/// The stages that need it.
fn users(need: &Need, stages: &[&Stage], context: &Context<'_>) -> String {
    let users = stages.iter().filter(|stage| (stage.needs)(context).contains(need));
    users.map(|stage| stage.name).collect::<Vec<_>>().join(", ")
}

/// What a run of `stages` does not ask AWS while something else is missing.
pub(crate) fn not_asked_yet(stages: &[&Stage], context: &Context<'_>) -> Option<&'static str> {
    needs(stages, context).contains(&Need::Credentials).then_some(
        "not checked yet: AWS credentials and their rights; they are checked once nothing else is missing",
    )
}

/// What a dry run of `stages` does not look at, for it builds nothing.
pub(crate) fn not_looked_at(stages: &[&Stage], context: &Context<'_>) -> Option<String> {
    (needs(stages, context).contains(&Need::Credentials) && !caller::asks_aws(context).is_file()).then(|| {
        "not looked at: whose credentials these are; what asks AWS is not built yet (cargo xtask programs)".to_owned()
    })
}

/// Tells what is missing.
pub(crate) fn tell(missing: &[Missing], console: Console) {
    for Missing { what, mend, stages } in missing {
        console.line(&console.paint(Style::Bad, &format!("missing: {what} (for {stages})")));
        console.line(&format!("  mend: {mend}"));
        if console.is_github() {
            console.line(&annotation(stages, what, Some(mend)));
        }
    }
}

fn check(need: &Need, context: &Context<'_>, runner: Runner) -> Result<(), Error> {
    let workspace = context.workspace;
    let missing = |found: String, mend: &str| Err(Error::Found { found, mend: mend.to_owned() });
    match need {
        Need::Program(program, mend) => {
            let there = on_path(program);
            if there { Ok(()) } else { missing(format!("{program} is not on PATH"), mend) }
        }
        Need::Packaged(program) => {
            let there = on_path(program) || can_install();
            let mend = format!("apt-get install {program}");
            if there { Ok(()) } else { missing(format!("{program} is not on PATH"), &mend) }
        }
        Need::Listed(name) => doctor::require(name, workspace, runner),
        Need::Cargo => {
            let there = on_path("cargo");
            if there { Ok(()) } else { missing("cargo is not on PATH".to_owned(), CARGO_MEND) }
        }
        Need::Tool(tool) => tools::find(*tool, workspace, runner).map(drop),
        Need::Provider => terraform::find_provider(workspace).map(drop),
        Need::Engine => engine::docker_engine(runner).map(drop),
        Need::DatabaseServers => {
            Engine::from_env().and_then(|engine| engine::choose(engine, runner)).map(drop)
        }
        Need::BuildKit => build_kit(context, runner),
        Need::Processor => {
            let here = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
            match &context.environment {
                Some(environment) if environment.architecture != here => missing(
                    format!(
                        "{}'s machines are {}, and this one is {here}",
                        environment.name, environment.architecture
                    ),
                    "deploy from such a machine or GitHub's runner of that kind; or set bootstrap.architecture and \
                     app.instance_type in its tfvars",
                ),
                _ => Ok(()),
            }
        }
        Need::File(path, purpose) => {
            let there = path.metadata().is_ok_and(|file| file.is_file() && file.len() > 0);
            let shown = path.strip_prefix(&workspace.root).unwrap_or(path).display().to_string();
            if there { Ok(()) } else { missing(format!("{shown} is not there, or empty"), purpose) }
        }
        Need::CleanClone => {
            if context.commit.changes.is_none() {
                return Ok(());
            }
            missing(
                "files differ from the commit, or are new in terraform/ (`git status`)".to_owned(),
                "commit them, or undo that: what is deployed is named by its commit",
            )
        }
        Need::Credentials => caller::may_log_in(),
        // Asked of AWS, all at once.
        Need::Permission(..) => Ok(()),
    }
}

/// Whether this run may install packages.
fn can_install() -> bool {
    rustix::process::geteuid().is_root() && on_path("apt-get")
}

/// Installs the packages of programs that `stages` need and this machine lacks; [`look`] has found that it may.
///
/// # Errors
/// When apt fails.
pub(crate) fn install(
    stages: &[&Stage],
    context: &Context<'_>,
    console: Console,
    runner: Runner,
) -> Result<(), Error> {
    let mut lacking: Vec<&str> = stages
        .iter()
        .flat_map(|stage| (stage.needs)(context))
        .filter_map(|need| match need {
            Need::Packaged(program) if !on_path(program) => Some(program),
            _ => None,
        })
        .collect();
    lacking.sort_unstable();
    lacking.dedup();
    if lacking.is_empty() {
        return Ok(());
    }
    let note = format!("installing what this run takes and this machine lacks: {}", lacking.join(", "));
    console.line(&console.paint(Style::Warning, &note));
    let apt = || {
        Cmd::new("apt-get", &context.workspace.root, "install it by hand")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-qq"])
            .hint("`apt-get update` says more; or install it by hand")
    };
    runner.run(&apt().args(["update"]))?;
    Ok(runner.run(&apt().args(["install", "--yes"]).args(lacking))?)
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Whether `docker build` is BuildKit: since 23 by its plugin buildx, before by itself.
fn build_kit(context: &Context<'_>, runner: Runner) -> Result<(), Error> {
    if engine::building_client().is_some() {
        return Ok(());
    }
    if !on_path(engine::DOCKER) {
        return Err(engine::no_client());
    }
    let ask = Cmd::new(engine::DOCKER, &context.workspace.root, engine::CLIENT_MEND);
    // Unlike `docker version`, it needs no engine.
    let version = runner.ask(&ask.args(["--version"]))?;
    Err(Error::Found {
        found: format!("the Docker client ({}) has no buildx, which builds images", version.trim()),
        mend: "install Docker's plugin docker-buildx (https://docs.docker.com/go/buildx/), or have a client before \
               23, which needs none, anywhere on PATH"
            .to_owned(),
    })
}
