//! What runs the database servers: a container engine, or child processes of our own.

use std::sync::OnceLock;
use std::time::Duration;

use clap::ValueEnum;

use crate::console::Console;
use crate::error::Error;
use crate::runner::{Cmd, Runner};
use crate::workspace;

/// The variable that the emulator reads.
pub(crate) const ENGINE_VARIABLE: &str = "RDS_IAM_EMULATOR_ENGINE";

/// Docker's client.
pub(crate) const DOCKER: &str = "docker";

/// An engine that answers at all answers well within this.
const ENGINE_ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// How database servers are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// Docker where an engine answers, otherwise processes
    Auto,
    /// Containers; an error where no engine answers
    Docker,
    /// Child processes of the same server tree
    Process,
}

impl Engine {
    /// What [`ENGINE_VARIABLE`] says; `Auto` where it says nothing.
    ///
    /// # Errors
    /// When it says something that is not known.
    pub(crate) fn from_env() -> Result<Self, Error> {
        let said = std::env::var(ENGINE_VARIABLE).unwrap_or_default();
        if said.is_empty() {
            return Ok(Self::Auto);
        }
        Self::from_str(&said, false).map_err(|_| Error::Found {
            found: format!("{ENGINE_VARIABLE} is {said:?}"),
            mend: "it is auto, docker or process".to_owned(),
        })
    }

    /// As the command line and [`ENGINE_VARIABLE`] spell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Docker => "docker",
            Self::Process => "process",
        }
    }
}

/// The engine that will be used (never `Auto`), and the sentence that says so.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) engine: Engine,
    pub(crate) why: String,
}

/// Decides what runs the servers.
///
/// # Errors
/// When Docker is asked for and no engine answers.
pub(crate) fn choose(wanted: Engine, runner: Runner) -> Result<Chosen, Error> {
    decide(wanted, || docker_server_version(runner))
}

/// The version of the Docker engine, if one answers.
pub(crate) fn docker_server_version(runner: Runner) -> Option<String> {
    let cmd = Cmd::new("docker", &workspace::root(), DOCKER_MEND).args([
        "version",
        "--format",
        "{{.Server.Version}}",
    ]);
    // Whatever the reason, no version means no engine; the caller says what to do about it.
    let version = runner.ask_within(&cmd, ENGINE_ANSWERS_WITHIN).ok()?;
    Some(version.trim().to_owned()).filter(|version| !version.is_empty())
}

/// Whether a Docker client of this version builds with BuildKit by itself; from 23 on, a plugin does.
pub(crate) fn client_builds(version: &str) -> bool {
    let major = version.trim().split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| (18..23).contains(&major))
}

/// The Docker client that images are built with: the first on `PATH` that builds with BuildKit, by its plugin or by
/// itself. A distribution's client may do so where another one, put before it, has no plugin.
pub(crate) fn building_client() -> Option<&'static str> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let runner = Runner::new(Console::from_env());
        let ask = |client: &str, args: &[&str]| {
            let cmd = Cmd::new(client, &workspace::root(), DOCKER_MEND).args(args.iter().copied());
            runner.ask_within(&cmd, ENGINE_ANSWERS_WITHIN).ok()
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let others = std::env::split_paths(&path).map(|folder| folder.join(DOCKER));
        let others = others.filter(|file| file.is_file()).map(|file| file.display().to_string());
        // The first by its name alone, as everything else is called.
        std::iter::once(DOCKER.to_owned()).chain(others).find(|client| {
            ask(client, &["buildx", "version"]).is_some()
                || ask(client, &["--version"]).is_some_and(|it| it.split_whitespace().any(client_builds))
        })
    });
    found.as_deref()
}

/// What to do where Docker is wanted and none answers.
pub(crate) const DOCKER_MEND: &str = "start the Docker engine (`dockerd` as root, or `systemctl start docker`), or leave out `--engine docker`";

fn decide(wanted: Engine, docker: impl FnOnce() -> Option<String>) -> Result<Chosen, Error> {
    let (engine, why) = match wanted {
        Engine::Process => (Engine::Process, "child processes, as asked for".to_owned()),
        Engine::Auto | Engine::Docker => match (docker(), wanted) {
            (Some(version), Engine::Docker) => {
                (Engine::Docker, format!("containers, as asked for (Docker engine {version})"))
            }
            (Some(version), _) => (Engine::Docker, format!("containers (Docker engine {version} answers)")),
            (None, Engine::Docker) => {
                return Err(Error::Found {
                    found: "no Docker engine answers".to_owned(),
                    mend: DOCKER_MEND.to_owned(),
                });
            }
            (None, _) => (Engine::Process, "child processes (no Docker engine answers)".to_owned()),
        },
    };
    Ok(Chosen { engine, why: format!("Database servers run as {why}.") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_is_used_where_it_answers_and_only_demanded_where_asked_for() {
        let answers = || Some("28.0".to_owned());
        let says = |wanted, docker: &dyn Fn() -> Option<String>| match decide(wanted, docker) {
            Ok(chosen) => format!("{}: {}", chosen.engine.as_str(), chosen.why),
            Err(error) => error.report(),
        };
        insta::assert_snapshot!(
            [
                says(Engine::Auto, &answers),
                says(Engine::Docker, &answers),
                says(Engine::Process, &answers),
                says(Engine::Auto, &|| None),
                says(Engine::Docker, &|| None),
            ]
            .join("\n"),
            @r"
        docker: Database servers run as containers (Docker engine 28.0 answers).
        docker: Database servers run as containers, as asked for (Docker engine 28.0).
        process: Database servers run as child processes, as asked for.
        process: Database servers run as child processes (no Docker engine answers).
        error: no Docker engine answers
          hint: start the Docker engine (`dockerd` as root, or `systemctl start docker`), or leave out `--engine docker`
        "
        );
    }
}
