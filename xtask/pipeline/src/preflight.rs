//! Checks all requirements of a run before it begins, reports all missing ones at once with the commands that
//! install them, and installs missing packages where it may: as root, with apt.

use xshell::cmd;

use crate::context::Context;
use crate::doctor;
use crate::need::Need;
use crate::permissions;
use crate::stage::Stage;
use rds_iam_checks::infra::terraform;
use rds_iam_process::console::{Console, Style, annotation};
use rds_iam_process::engine::{self, Engine};
use rds_iam_process::error::Error;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::tools;
use rds_iam_process::workspace::CARGO_HELP;

/// One missing requirement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) what: String,
    pub(crate) help: String,
    pub(crate) stages: String,
}

/// Checks the requirements of `stages` on this machine, and returns the missing ones. [`check_caller`] checks
/// those in AWS.
pub(crate) fn check(stages: &[&Stage], context: &Context<'_>, runner: Runner) -> Vec<Missing> {
    let mut missing: Vec<Missing> = Vec::new();
    for need in &needs(stages, context) {
        let Err(error) = check_need(need, context, runner) else { continue };
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

/// Asks AWS for the identity of the credentials, and which permissions of `stages` they lack. If
/// `only_looks`, the querying program is not built for it.
pub(crate) fn check_caller(
    stages: &[&Stage],
    context: &Context<'_>,
    console: Console,
    runner: Runner,
    only_looks: bool,
) -> Vec<Missing> {
    let needs = needs(stages, context);
    // `check` has reported that there can be no credentials.
    if !needs.contains(&Need::Credentials) || permissions::may_log_in().is_err() {
        return Vec::new();
    }
    match permissions::missing_rights(&needs, context, console, runner, only_looks) {
        Ok(rights) => rights
            .into_iter()
            .map(|(right, what)| Missing {
                what,
                help: permissions::HELP.to_owned(),
                stages: users(right, stages, context),
            })
            .collect(),
        Err(error) => vec![lacking(&error, users(&Need::Credentials, stages, context))],
    }
}

/// Returns the needs of `stages`, each once.
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
    Missing { what: error.to_string(), help: error.help().unwrap_or("see the message").to_owned(), stages }
}

/// Returns the stages with this need.
fn users(need: &Need, stages: &[&Stage], context: &Context<'_>) -> String {
    let users = stages.iter().filter(|stage| (stage.needs)(context).contains(need));
    users.map(|stage| stage.name).collect::<Vec<_>>().join(", ")
}

/// Returns the note about the AWS checks of `stages` that are postponed while another requirement is missing.
pub(crate) fn not_asked_yet(stages: &[&Stage], context: &Context<'_>) -> Option<&'static str> {
    needs(stages, context).contains(&Need::Credentials).then_some(
        "not checked yet: AWS credentials and their rights; they are checked once nothing else is missing",
    )
}

/// Returns the note about the checks that a dry run of `stages` omits because it builds nothing.
pub(crate) fn not_checked(stages: &[&Stage], context: &Context<'_>) -> Option<String> {
    (needs(stages, context).contains(&Need::Credentials) && !permissions::asks_aws(context).is_file()).then(|| {
        "not checked: whose credentials these are; the program that asks AWS is not built yet (cargo xtask programs)".to_owned()
    })
}

/// Reports the missing requirements.
pub(crate) fn report(missing: &[Missing], console: Console) {
    for Missing { what, help, stages } in missing {
        console.line(&console.paint(Style::Bad, &format!("missing: {what} (for {stages})")));
        console.line(&format!("  help: {help}"));
        if console.is_github() {
            console.line(&annotation(stages, what, Some(help)));
        }
    }
}

fn check_need(need: &Need, context: &Context<'_>, runner: Runner) -> Result<(), Error> {
    let workspace = context.workspace;
    let missing = |found: String, help: &str| Err(Error::Found { found, help: help.to_owned() });
    match need {
        Need::Program(program, help) => {
            let there = on_path(program);
            if there { Ok(()) } else { missing(format!("{program} is not on PATH"), help) }
        }
        Need::Packaged(program) => {
            let there = on_path(program) || can_install();
            let help = format!("apt-get install {program}");
            if there { Ok(()) } else { missing(format!("{program} is not on PATH"), &help) }
        }
        Need::Listed(name) => doctor::require(name, workspace, runner),
        Need::Cargo => {
            let there = on_path("cargo");
            if there { Ok(()) } else { missing("cargo is not on PATH".to_owned(), CARGO_HELP) }
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
        Need::Credentials => permissions::may_log_in(),
        // All permissions are checked with AWS at once.
        Need::Permission(..) => Ok(()),
    }
}

/// Returns whether this run may install packages.
fn can_install() -> bool {
    rustix::process::geteuid().is_root() && on_path("apt-get")
}

/// Installs the packages of missing programs that `stages` need; [`check`] has determined that this is
/// allowed.
///
/// # Errors
/// Returns an error if apt fails.
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
    let note = format!("installing what this run needs and this machine lacks: {}", lacking.join(", "));
    console.line(&console.paint(Style::Warning, &note));
    let shell = context.workspace.shell();
    let apt = |cmd: xshell::Cmd<'_>| {
        Cmd::from_xshell(cmd.env("DEBIAN_FRONTEND", "noninteractive"), "install it by hand")
            .hint("`apt-get update` says more; or install it by hand")
    };
    runner.run(&apt(cmd!(shell, "apt-get -qq update")))?;
    Ok(runner.run(&apt(cmd!(shell, "apt-get -qq install --yes {lacking...}")))?)
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Checks that `docker build` uses BuildKit: since version 23 with the plugin buildx, before without it.
fn build_kit(context: &Context<'_>, runner: Runner) -> Result<(), Error> {
    if engine::building_client().is_some() {
        return Ok(());
    }
    if !on_path(engine::DOCKER) {
        return Err(engine::no_client());
    }
    let (shell, docker) = (context.workspace.shell(), engine::DOCKER);
    // Unlike `docker version`, it needs no engine.
    let version = runner.ask(&Cmd::from_xshell(cmd!(shell, "{docker} --version"), engine::CLIENT_HELP))?;
    Err(Error::Found {
        found: format!("the Docker client ({}) has no buildx, which builds images", version.trim()),
        help: "install Docker's plugin docker-buildx (https://docs.docker.com/go/buildx/), or have a client before \
               23, which needs none, anywhere on PATH"
            .to_owned(),
    })
}
