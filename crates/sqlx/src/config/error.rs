//! `ConfigError`: all errors of a file or of the environment at once. No message has a value, which may be a secret.

use std::fmt;
use std::io;
use std::path::PathBuf;

use rds_iam_token::ErrorKind;

/// The most errors that are kept of one source.
pub(super) const MOST_ERRORS: usize = 100;

/// The error of a configuration of connections.
///
/// ```
/// use rds_iam_sqlx::{ConfigError, Databases};
///
/// let text = "\
/// database:
///   connections:
///     writer:
///       dsn: mysql://app@orders.c0ffee.eu-west-1.rds.amazonaws.com
///       max_open_conns: 25
///       aws_iam_auth:
///         enabled: true
/// ";
/// let error = Databases::from_yaml(text, "database.yaml").unwrap_err();
/// let ConfigError::Invalid { errors, .. } = &error else { panic!("{error}") };
/// assert_eq!(errors[0].line, Some(5));
/// assert_eq!(errors[0].key.as_deref(), Some("database.connections.writer.max_open_conns"));
/// assert!(errors[0].reason.starts_with("is unknown (did you mean max_open_connections?)"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("can't read {}; it must be a UTF-8 text file of at most 1 MiB that this program may read", path.display())]
    #[non_exhaustive]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The name of the file says neither YAML nor TOML.
    #[error("the format of {} is unknown: name it .yaml, .yml or .toml", path.display())]
    #[non_exhaustive]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// The content is not a valid configuration.
    #[error("{}", list(origin, errors))]
    #[non_exhaustive]
    Invalid {
        /// The file's name, or "the environment".
        origin: String,
        /// The errors, by line; at most 100.
        errors: Vec<EntryError>,
    },
}

impl ConfigError {
    /// Returns the kind of every such error: [`ErrorKind::Configuration`].
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Configuration
    }
}

fn list(origin: &str, errors: &[EntryError]) -> String {
    let count = match errors.len() {
        1 => "1 problem".to_owned(),
        n if n >= MOST_ERRORS => format!("{n} problems or more"),
        n => format!("{n} problems"),
    };
    let lines: Vec<_> = errors.iter().map(|error| format!("\n  {error}")).collect();
    format!("{origin} has {count}:{}", lines.concat())
}

/// The error of one key or variable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryError {
    /// The line, counted from 1. `None` for a variable.
    pub line: Option<usize>,
    /// The path of the key, such as `database.connections.writer.dsn`, or the name of the variable. `None` for an error of
    /// the syntax.
    pub key: Option<String>,
    /// The reason, and what would be right. It continues the key's name, and has no value.
    pub reason: String,
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, &self.key) {
            (Some(line), Some(key)) => write!(f, "line {line}: {key} {}", self.reason),
            (Some(line), None) => write!(f, "line {line}: the text {}", self.reason),
            (None, Some(key)) => write!(f, "{key} {}", self.reason),
            (None, None) => f.write_str(&self.reason),
        }
    }
}
