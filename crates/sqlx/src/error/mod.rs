//! `PoolError`: the pool's errors, each with an `ErrorKind` for the caller and a hint for the operator. The kind
//! follows from the server's code or the error's type, never from its text.

pub(crate) mod classify;
mod hint;

use std::fmt;
use std::io;
use std::time::Duration;

use rds_iam_token::{DbUser, Endpoint, ErrorKind, MintError, ServerCode};
use thiserror::Error;

/// The user, addresses and database of a login: the subject of a connect error.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) user: DbUser,
    pub(crate) endpoint: Endpoint,
    pub(crate) dial: Endpoint,
    pub(crate) database: Option<String>,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.user, self.endpoint)?;
        if self.dial != self.endpoint {
            write!(f, " through {}", self.dial)?;
        }
        self.database.iter().try_for_each(|name| write!(f, ", database {name}"))
    }
}

/// The error of a connection or of a statement.
///
/// [`kind`](Self::kind) groups it, [`hint`](Self::hint) says in a sentence what to do, and the
/// cause is its [`source`](std::error::Error::source).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PoolError {
    /// No token could be signed.
    #[error("logging in as {subject} needs an IAM token, and none could be signed")]
    #[non_exhaustive]
    Token {
        /// The user, addresses and database.
        subject: String,
        /// The cause.
        source: MintError,
    },
    /// Connecting or logging in failed.
    #[error("logging in as {subject} failed: {}", describe(*kind))]
    #[non_exhaustive]
    Connect {
        /// The user, addresses and database.
        subject: String,
        /// The kind.
        kind: ErrorKind,
        /// The driver's error.
        source: sqlx::Error,
    },
    /// No connection became available in time.
    #[error("no connection as {subject} within {} s ({in_use} of {max} in use)", waited.as_secs_f32())]
    #[non_exhaustive]
    TimedOut {
        /// The user, addresses and database.
        subject: String,
        /// The time waited.
        waited: Duration,
        /// Connections in use or being opened.
        in_use: u32,
        /// The most that the pool may open.
        max: u32,
        /// True if all of them were in use; false if the server did not answer.
        saturated: bool,
    },
    /// The limits leave no working pool.
    #[error("the pool's limit {setting} is {value}: {help}")]
    #[non_exhaustive]
    Limits {
        /// The field of [`Limits`](crate::Limits).
        setting: &'static str,
        /// Its value.
        value: String,
        /// The reason why it can't be used, and a value that can.
        help: &'static str,
    },
    /// A statement failed.
    #[error("a statement failed: {}", describe(*kind))]
    #[non_exhaustive]
    Statement {
        /// The kind.
        kind: ErrorKind,
        /// The driver's error.
        source: sqlx::Error,
    },
}

impl PoolError {
    pub(crate) fn connecting(source: sqlx::Error, subject: &Subject) -> Self {
        Self::Connect { subject: subject.to_string(), kind: classify::kind(&source), source }
    }

    pub(crate) fn token(source: MintError, subject: &Subject) -> Self {
        Self::Token { subject: subject.to_string(), source }
    }

    pub(crate) fn statement(source: sqlx::Error) -> Self {
        Self::Statement { kind: classify::kind(&source), source }
    }

    /// Returns whether the server refused a write because it is read-only.
    pub(crate) fn is_refused_write(&self) -> bool {
        matches!(self, Self::Statement { kind: ErrorKind::ReadOnly, .. })
    }

    /// Returns the kind: what the caller can do.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Token { .. } => ErrorKind::Credentials,
            Self::Limits { .. } => ErrorKind::Configuration,
            Self::Connect { kind, .. } | Self::Statement { kind, .. } => *kind,
            Self::TimedOut { saturated: true, .. } => ErrorKind::Throttled,
            Self::TimedOut { .. } => ErrorKind::Unreachable,
        }
    }

    /// Returns what an operator can do, in a sentence or two.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        hint::hint(self)
    }

    /// Returns the server's error code, if the server refused.
    #[must_use]
    pub fn code(&self) -> Option<ServerCode> {
        match self {
            Self::Connect { source, .. } | Self::Statement { source, .. } => classify::code(source),
            Self::Token { .. } | Self::TimedOut { .. } | Self::Limits { .. } => None,
        }
    }

    /// Returns MySQL's error number, if the server refused.
    #[must_use]
    pub fn number(&self) -> Option<u16> {
        match self.code() {
            Some(ServerCode::MySql(number)) => Some(number),
            _ => None,
        }
    }
}

/// Describes what happened, for the middle of a message.
fn describe(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Configuration => "a setting is wrong",
        ErrorKind::Denied => "the server denied access",
        ErrorKind::Throttled => "the server is limiting connections",
        ErrorKind::Unreachable => "the server can't be reached",
        ErrorKind::Tls => "TLS could not be verified",
        ErrorKind::Credentials => "no token can be signed",
        ErrorKind::ReadOnly => "the server refuses writes",
        _ => "the server or the driver reported an error",
    }
}

/// Creates the error of a server that did not answer.
pub(crate) fn timed_out_error(within: Duration) -> sqlx::Error {
    let message = format!("no answer within {} s", within.as_secs());
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, message))
}

#[cfg(test)]
mod tests {
    use rds_iam_token::ErrorReport;

    use super::*;

    #[test]
    fn wording() {
        let endpoint: Endpoint = "db.example.com:3306".parse().unwrap();
        let subject = Subject {
            user: "node_app".parse().unwrap(),
            endpoint: endpoint.clone(),
            dial: endpoint,
            database: Some("node_db".into()),
        };
        let refused = sqlx::Error::Io(io::ErrorKind::ConnectionRefused.into());
        let error = PoolError::connecting(refused, &subject);
        // The driver's error has the text of its source.
        insta::assert_snapshot!(ErrorReport(&error), @"logging in as node_app at db.example.com:3306, database node_db failed: the server can't be reached: error communicating with database: connection refused");
        insta::assert_snapshot!(error, @"logging in as node_app at db.example.com:3306, database node_db failed: the server can't be reached");
        insta::assert_snapshot!(error.hint(), @"The server did not answer: check the endpoint's name, the server's state, the security groups and the port.");
        let token = PoolError::token(MintError::TimedOut, &subject);
        insta::assert_snapshot!(token, @"logging in as node_app at db.example.com:3306, database node_db needs an IAM token, and none could be signed");
        assert_eq!(token.kind(), ErrorKind::Credentials);
        let busy = PoolError::TimedOut {
            subject: subject.to_string(),
            waited: Duration::from_secs(5),
            in_use: 10,
            max: 10,
            saturated: true,
        };
        insta::assert_snapshot!(busy, @"no connection as node_app at db.example.com:3306, database node_db within 5 s (10 of 10 in use)");
        assert_eq!(busy.kind(), ErrorKind::Throttled);
        let tunnel = Subject { dial: "127.0.0.1:13306".parse().unwrap(), ..subject };
        insta::assert_snapshot!(tunnel, @"node_app at db.example.com:3306 through 127.0.0.1:13306, database node_db");
    }
}
