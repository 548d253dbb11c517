//! The error type of all tasks, with help for the operator.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;

use crate::runner::{Cmd, RunError};

/// The error of a task. `Display` prints the failure; [`Error::help`] returns the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the variant's message says what each field is")]
pub enum Error {
    /// A program did not start or did not succeed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file could not be read, written, created or removed.
    #[error("could not {action} {}", path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    /// The output of a program does not have its documented format.
    #[error("`{command}` printed something unexpected: {what}")]
    Answer { command: String, what: String },
    /// A check failed.
    #[error("{found}")]
    Found { found: String, help: String },
    /// The command line names something that does not exist, or contradicts itself.
    #[error("{found}")]
    Usage { found: String, help: String },
}

impl Error {
    /// Creates the error of output that can't be parsed, from the parser's error.
    pub fn answer<E: Display>(cmd: &Cmd) -> impl FnOnce(E) -> Self {
        move |error| Self::Answer { command: cmd.shown(), what: error.to_string() }
    }

    /// Returns the help, if there is any.
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Run(error) => error.help(),
            Self::Found { help, .. } | Self::Usage { help, .. } => Some(help),
            Self::File { .. } | Self::Answer { .. } => None,
        }
    }

    /// Returns a few words for a table; the report has the details.
    pub fn brief(&self) -> String {
        match self {
            Self::Run(RunError::Failed { status, .. }) => status.to_string(),
            other => other.to_string().lines().next().unwrap_or_default().to_owned(),
        }
    }

    /// Returns the error with its causes, one per line, then the help. The program's entry point prints it
    /// once.
    pub fn report(&self) -> String {
        let mut report = format!("error: {self}");
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            report.push_str(&format!("\n  because: {error}"));
            cause = error.source();
        }
        if let Some(help) = self.help() {
            report.push_str(&format!("\n  help: {help}"));
        }
        report
    }
}
