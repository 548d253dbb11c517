//! The runtime of a database server: a container or a child process.

use std::env;
use std::fmt;
use std::str::FromStr;

use testcontainers::bollard::Docker;

use crate::error::Error;
use crate::host::docker;

/// The environment variable that selects the runtime, unless the program sets one.
const VARIABLE: &str = "RDS_IAM_EMULATOR_ENGINE";

/// The runtime of a database server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Runtime {
    /// Docker if an engine answers, otherwise a child process.
    #[default]
    Auto,
    /// A container, through the Docker engine at `DOCKER_HOST` or the default socket. It has to run on this
    /// machine: files are shared with it.
    Docker,
    /// A child process of this one, from Debian's packages; needs no Docker and no root.
    Process,
}

/// An available runtime.
pub(crate) enum Chosen {
    Docker(Docker),
    Process,
}

impl Runtime {
    /// Reads the runtime from `RDS_IAM_EMULATOR_ENGINE` (`auto`, `docker` or `process`), or returns `Auto`.
    ///
    /// # Errors
    /// Returns [`Error::Setting`] if it has another value.
    pub fn from_env() -> Result<Self, Error> {
        env::var_os(VARIABLE).map_or(Ok(Self::Auto), |value| value.to_string_lossy().parse())
    }

    /// Finds an available runtime. An explicitly selected one is never replaced by the other.
    pub(crate) async fn choose(self) -> Result<Chosen, Error> {
        match self {
            Self::Process => Ok(Chosen::Process),
            Self::Docker => docker::connect().await.map(Chosen::Docker).ok_or(Error::NoDocker),
            Self::Auto => Ok(docker::connect().await.map_or(Chosen::Process, Chosen::Docker)),
        }
    }
}

impl FromStr for Runtime {
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

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Docker => "docker",
            Self::Process => "process",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_have_names() {
        for runtime in [Runtime::Auto, Runtime::Docker, Runtime::Process] {
            assert_eq!(runtime.to_string().parse::<Runtime>().unwrap(), runtime);
        }
        insta::assert_snapshot!("podman".parse::<Runtime>().unwrap_err(), @r#"RDS_IAM_EMULATOR_ENGINE is "podman", but it may be auto, docker or process"#);
    }
}
