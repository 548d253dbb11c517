//! What the database server runs in.

use std::env;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use testcontainers::bollard::Docker;
use testcontainers::core::client::docker_client_instance;
use tracing::debug;

use crate::error::Error;

/// The environment variable that chooses the engine where a program does not.
const VARIABLE: &str = "RDS_IAM_EMULATOR_ENGINE";

/// How long a Docker engine may take to answer. One that is there answers in milliseconds.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// What the database server runs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// Docker where an engine answers, otherwise a child process.
    #[default]
    Auto,
    /// A container, through the Docker engine that `DOCKER_HOST` or the usual socket leads to. It has to
    /// run on this machine: files are shared with it.
    Docker,
    /// A child process of this one, from Debian's packages; needs no Docker and no root.
    Process,
}

/// An engine that is there.
pub(crate) enum Chosen {
    Docker(Docker),
    Process,
}

impl Engine {
    /// The engine that `RDS_IAM_EMULATOR_ENGINE` names (`auto`, `docker` or `process`), or `Auto`.
    ///
    /// # Errors
    /// [`Error::Setting`] when it names something else.
    pub fn from_env() -> Result<Self, Error> {
        env::var_os(VARIABLE).map_or(Ok(Self::Auto), |value| value.to_string_lossy().parse())
    }

    /// Looks for the engine. One that was named is never replaced by the other.
    pub(crate) async fn choose(self) -> Result<Chosen, Error> {
        match self {
            Self::Process => Ok(Chosen::Process),
            Self::Docker => docker().await.map(Chosen::Docker).ok_or(Error::NoDocker),
            Self::Auto => Ok(docker().await.map_or(Chosen::Process, Chosen::Docker)),
        }
    }
}

impl FromStr for Engine {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "auto" | "" => Ok(Self::Auto),
            "docker" => Ok(Self::Docker),
            "process" => Ok(Self::Process),
            _ => Err(Error::Setting {
                setting: VARIABLE,
                value: text.into(),
                problem: "it may be auto, docker or process".into(),
            }),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Docker => "docker",
            Self::Process => "process",
        })
    }
}

/// The Docker engine, if one answers.
pub(crate) async fn docker() -> Option<Docker> {
    let answer = async {
        let docker = docker_client_instance().await.map_err(|e| e.to_string())?;
        docker.ping().await.map_err(|e| e.to_string())?;
        Ok::<_, String>(docker)
    };
    match tokio::time::timeout(PING_TIMEOUT, answer).await {
        Ok(Ok(docker)) => Some(docker),
        Ok(Err(reason)) => {
            debug!(reason, "no Docker engine answers");
            None
        }
        Err(_) => {
            debug!("no Docker engine answers in time");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_have_names() {
        for engine in [Engine::Auto, Engine::Docker, Engine::Process] {
            assert_eq!(engine.to_string().parse::<Engine>().unwrap(), engine);
        }
        insta::assert_snapshot!("podman".parse::<Engine>().unwrap_err(), @r#"RDS_IAM_EMULATOR_ENGINE is "podman", but it may be auto, docker or process"#);
    }
}
