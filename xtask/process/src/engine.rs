//! Selects the engine that runs the database servers, Docker or child processes, and checks that a Docker
//! engine answers. Also finds the Docker client that builds images.

use std::sync::OnceLock;
use std::time::Duration;

use clap::ValueEnum;

use crate::console::Console;
use crate::error::Error;
use crate::runner::{Cmd, RunError, Runner};
use crate::{shell, workspace};

/// The environment variable with the emulator's engine.
pub const ENGINE_VARIABLE: &str = "RDS_IAM_EMULATOR_ENGINE";

/// Docker's client.
pub const DOCKER: &str = "docker";

/// The time limit for the answer of a working engine.
const ENGINE_ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// How database servers are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Docker where an engine answers, otherwise processes
    Auto,
    /// Containers; an error where no engine answers
    Docker,
    /// Child processes of the same server tree
    Process,
}

impl Engine {
    /// Reads [`ENGINE_VARIABLE`]; `Auto` if it is not set.
    ///
    /// # Errors
    /// Returns an error if the value is not supported.
    pub fn from_env() -> Result<Self, Error> {
        let said = std::env::var_os(ENGINE_VARIABLE).unwrap_or_default().to_string_lossy().into_owned();
        if said.is_empty() {
            return Ok(Self::Auto);
        }
        Self::from_str(&said, false).map_err(|_| Error::Usage {
            found: format!("{ENGINE_VARIABLE} is {said:?}; expected auto, docker or process"),
            help: format!("correct or unset {ENGINE_VARIABLE}"),
        })
    }

    /// Returns the engine given by an option, or else by [`ENGINE_VARIABLE`].
    ///
    /// # Errors
    /// Returns the errors of [`Engine::from_env`].
    pub fn or_from_env(option: Option<Self>) -> Result<Self, Error> {
        option.map_or_else(Self::from_env, Ok)
    }

    /// Returns the name used on the command line and in [`ENGINE_VARIABLE`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Docker => "docker",
            Self::Process => "process",
        }
    }
}

/// The selected engine (never `Auto`), and a sentence with the reason.
#[derive(Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Docker or processes.
    pub engine: Engine,
    /// The reason, as a sentence for the operator.
    pub why: String,
}

/// Selects the engine that runs the servers.
///
/// # Errors
/// Returns an error if Docker is requested and no engine answers.
pub fn choose(wanted: Engine, runner: Runner) -> Result<Chosen, Error> {
    let by_variable = Engine::from_env().is_ok_and(|engine| engine == Engine::Docker);
    decide(wanted, || docker_engine(runner), by_variable)
}

/// Returns the version of the Docker engine that answers.
///
/// # Errors
/// Returns an error if no engine answers, with the address and the reason.
pub fn docker_engine(runner: Runner) -> Result<String, Error> {
    let cmd = Cmd::new(DOCKER, &workspace::root(), CLIENT_HELP).args([
        "version",
        "--format",
        "{{.Server.Version}}",
    ]);
    let why = match runner.ask_within(&cmd, ENGINE_ANSWERS_WITHIN) {
        Ok(version) if !version.trim().is_empty() => return Ok(version.trim().to_owned()),
        Ok(_) => "it has no version".to_owned(),
        Err(RunError::NotFound { .. }) => return Err(no_client()),
        // If DOCKER_HOST does not name the address, Docker's last line does.
        Err(RunError::Failed { tail, status, .. }) => {
            tail.lines().last().cloned().unwrap_or_else(|| status.to_string())
        }
        Err(RunError::NoAnswer { within, .. }) => format!("it took longer than {} s", within.as_secs()),
        Err(other) => return Err(other.into()),
    };
    let host = std::env::var_os(HOST_VARIABLE).unwrap_or_default().to_string_lossy().into_owned();
    Err(no_engine(Some(host.as_str()).filter(|host| !host.is_empty()), &why))
}

/// Returns the error for a machine without the Docker client.
pub fn no_client() -> Error {
    Error::Found { found: format!("no `{DOCKER}` on PATH"), help: CLIENT_HELP.to_owned() }
}

fn no_engine(host: Option<&str>, why: &str) -> Error {
    match host {
        Some(host) => Error::Found {
            found: format!("no Docker engine answers at {} ({HOST_VARIABLE}): {why}", shell::redact(host)),
            help: format!("start the Docker engine there, or correct or unset {HOST_VARIABLE}"),
        },
        None => Error::Found {
            found: format!("no Docker engine answers: {why}"),
            help: "start the Docker engine (`dockerd` as root, or `systemctl start docker`)".to_owned(),
        },
    }
}

/// Returns whether a Docker client of this version builds with BuildKit without the buildx plugin; from 23 on, none
/// does.
pub fn client_builds(version: &str) -> bool {
    let major = version.trim().split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| (18..23).contains(&major))
}

/// Returns the Docker client for image builds: the first on `PATH` that builds with BuildKit, with or without
/// the plugin. A distribution's client may support BuildKit while a client before it on `PATH` lacks the
/// plugin.
pub fn building_client() -> Option<&'static str> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let runner = Runner::new(Console::from_env());
        let ask = |client: &str, args: &[&str]| {
            let cmd = Cmd::new(client, &workspace::root(), CLIENT_HELP).args(args.iter().copied());
            runner.ask_within(&cmd, ENGINE_ANSWERS_WITHIN).ok()
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let others = std::env::split_paths(&path).map(|folder| folder.join(DOCKER));
        let others = others.filter(|file| file.is_file()).map(|file| file.display().to_string());
        // The first client is called by its name alone, like every other program.
        std::iter::once(DOCKER.to_owned()).chain(others).find(|client| {
            ask(client, &["buildx", "version"]).is_some()
                || ask(client, &["--version"]).is_some_and(|it| it.split_whitespace().any(client_builds))
        })
    });
    found.as_deref()
}

/// The help text for a missing Docker client.
pub const CLIENT_HELP: &str = "apt-get install docker.io";

/// The environment variable that selects another engine than the local one.
const HOST_VARIABLE: &str = "DOCKER_HOST";

/// `by_variable` is true if [`ENGINE_VARIABLE`] requests Docker.
fn decide(
    wanted: Engine,
    docker: impl FnOnce() -> Result<String, Error>,
    by_variable: bool,
) -> Result<Chosen, Error> {
    let (engine, why) = match wanted {
        Engine::Process => (Engine::Process, "child processes, as asked for".to_owned()),
        Engine::Auto | Engine::Docker => match (docker(), wanted) {
            (Ok(version), Engine::Docker) => {
                (Engine::Docker, format!("containers, as asked for (Docker engine {version})"))
            }
            (Ok(version), _) => (Engine::Docker, format!("containers (Docker engine {version} answers)")),
            (Err(Error::Found { found, help }), Engine::Docker) => {
                let without = if by_variable {
                    format!("unset {ENGINE_VARIABLE}")
                } else {
                    "leave out `--runtime docker`".to_owned()
                };
                return Err(Error::Found { found, help: format!("{help}; or {without}") });
            }
            (Err(error), Engine::Docker) => return Err(error),
            (Err(_), _) => (Engine::Process, "child processes (no Docker engine answers)".to_owned()),
        },
    };
    Ok(Chosen { engine, why: format!("Database servers run as {why}.") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_is_used_where_it_answers_and_only_demanded_where_asked_for() {
        let answers = || Ok("28.0".to_owned());
        let refuses = || Err(no_engine(None, "connection refused"));
        let by_variable = std::cell::Cell::new(false);
        let says = |wanted, docker: &dyn Fn() -> Result<String, Error>| match decide(
            wanted,
            docker,
            by_variable.get(),
        ) {
            Ok(chosen) => format!("{}: {}", chosen.engine.as_str(), chosen.why),
            Err(error) => error.report(),
        };
        insta::assert_snapshot!(
            [
                says(Engine::Auto, &answers),
                says(Engine::Docker, &answers),
                says(Engine::Process, &answers),
                says(Engine::Auto, &refuses),
                says(Engine::Docker, &refuses),
                {
                    by_variable.set(true);
                    says(Engine::Docker, &|| Err(no_client()))
                },
                no_engine(Some("tcp://ada:lovelace@nowhere:2375"), "no such host").report(),
            ]
            .join("\n"),
            @r"
        docker: Database servers run as containers (Docker engine 28.0 answers).
        docker: Database servers run as containers, as asked for (Docker engine 28.0).
        process: Database servers run as child processes, as asked for.
        process: Database servers run as child processes (no Docker engine answers).
        error: no Docker engine answers: connection refused
          help: start the Docker engine (`dockerd` as root, or `systemctl start docker`); or leave out `--runtime docker`
        error: no `docker` on PATH
          help: apt-get install docker.io; or unset RDS_IAM_EMULATOR_ENGINE
        error: no Docker engine answers at tcp://ada:<redacted>@nowhere:2375 (DOCKER_HOST): no such host
          help: start the Docker engine there, or correct or unset DOCKER_HOST
        "
        );
    }
}
