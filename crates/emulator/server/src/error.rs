//! The errors of the emulator's servers and account: wrong settings, missing programs, failed operations, timeouts.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

pub use crate::command::CommandError;

/// An error of the emulator.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// An environment variable or an argument is wrong: correct it.
    #[error("{setting} is {value:?}, but {problem}")]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// Its value.
        value: String,
        /// The reason why it can't be used, and what to use.
        problem: String,
    },
    /// Programs are missing on this machine: install them.
    #[error("to {purpose}, this machine needs {}: {hint}", tools.join(", "))]
    MissingTools {
        /// Their purpose.
        purpose: &'static str,
        /// All missing programs.
        tools: Vec<&'static str>,
        /// The way to install or avoid them.
        hint: &'static str,
    },
    /// Docker was selected, and no engine answers.
    #[error(
        "no Docker engine answers: start one (or point DOCKER_HOST at it), or set RDS_IAM_EMULATOR_ENGINE=process to do without"
    )]
    NoDocker,
    /// The Docker engine refused a request, or ended.
    #[error("Docker could not {operation}")]
    Docker {
        /// The request.
        operation: String,
        /// The answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A program could not be started, or failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A file could not be read or written.
    #[error("could not {operation} {}", path.display())]
    Io {
        /// The operation.
        operation: &'static str,
        /// The path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A server ended while it started, or did not get ready in time. Its log has the reason.
    #[error("{server} did not get ready: {reason}; its log ends:\n{log}")]
    NotReady {
        /// The server.
        server: &'static str,
        /// Its output or end.
        reason: String,
        /// The last lines of its log.
        log: String,
    },
    /// A server ended unexpectedly. Its log has the reason.
    #[error("{server} ended unexpectedly{}; its log ends:\n{log}", status.map_or_else(String::new, |s| format!(" ({s})")))]
    Ended {
        /// The server.
        server: &'static str,
        /// The cause, if it is known.
        status: Option<ExitStatus>,
        /// The last lines of its log.
        log: String,
    },
    /// The database refused a statement of the emulator.
    #[error("the database could not {operation}")]
    Database {
        /// The request.
        operation: &'static str,
        /// The answer.
        source: sqlx::Error,
    },
    /// The AWS API endpoint refused a request.
    #[error("the AWS API endpoint could not {operation}")]
    Aws {
        /// The request.
        operation: String,
        /// The answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server's certificate could not be made.
    #[error("could not make the server's certificate")]
    Certificate(#[from] rcgen::Error),
    /// A wait timed out.
    #[error("timed out after {} s waiting for {awaited}", within.as_secs_f32())]
    TimedOut {
        /// The awaited event.
        awaited: &'static str,
        /// The time limit.
        within: Duration,
    },
}

impl Error {
    /// Returns a function for `map_err` that creates [`Error::Setting`].
    pub fn setting<E: std::fmt::Display>(
        setting: &'static str,
        value: &str,
    ) -> impl FnOnce(E) -> Self + use<E> {
        let value = value.to_owned();
        move |e| Self::Setting { setting, value, problem: e.to_string() }
    }

    /// Returns a function for `map_err` that creates [`Error::Io`].
    pub fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { operation, path, source }
    }

    /// Returns a function for `map_err` that creates [`Error::Docker`].
    pub fn docker<E: std::error::Error + Send + Sync + 'static>(
        operation: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        let operation = operation.into();
        move |source| Self::Docker { operation, source: Box::new(source) }
    }

    /// Returns a function for `map_err` that creates [`Error::Database`].
    pub(crate) fn database(operation: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { operation, source }
    }

    /// Returns a function for `map_err` that creates [`Error::Aws`].
    pub fn aws<E: std::error::Error + Send + Sync + 'static>(
        operation: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        let operation = operation.into();
        move |source| Self::Aws { operation, source: Box::new(source) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do() {
        let missing = Error::MissingTools {
            purpose: "fetch MySQL",
            tools: vec!["apt-get", "dpkg-deb"],
            hint: "use Debian, or a Docker engine",
        };
        insta::assert_snapshot!(missing, @"to fetch MySQL, this machine needs apt-get, dpkg-deb: use Debian, or a Docker engine");
        let setting = Error::Setting {
            setting: "X",
            value: "podman".into(),
            problem: "only docker is supported".into(),
        };
        insta::assert_snapshot!(setting, @r#"X is "podman", but only docker is supported"#);
        let ended = Error::Ended { server: "the registry", status: None, log: "out of memory".into() };
        insta::assert_snapshot!(ended, @r"
        the registry ended unexpectedly; its log ends:
        out of memory
        ");
        insta::assert_snapshot!(Error::TimedOut { awaited: "a login", within: Duration::from_millis(1500) }, @"timed out after 1.5 s waiting for a login");
    }
}
