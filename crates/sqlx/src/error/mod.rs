//! `Error`: the errors of pools and connections, each with its kind, the login that it is about, and a hint for the
//! operator. The kind follows from the server's code or the error's type, never from its text.

pub(crate) mod classify;
mod convert;
mod hint;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
mod setting;

use std::fmt;
use std::io;
use std::time::Duration;

use rds_iam_token::{DbUser, Endpoint, ErrorKind, MintError, ServerCode};

use crate::dsn::DsnError;

pub use setting::SettingError;

/// The login that an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subject {
    /// The database user.
    pub user: DbUser,
    /// The endpoint that the token is signed for and that TLS verifies.
    pub endpoint: Endpoint,
    /// The address that is dialled.
    pub dial: Endpoint,
    /// The database.
    pub database: Option<String>,
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
/// [`kind`](Self::kind) groups it by what the caller can do, [`hint`](Self::hint) says in a sentence what an operator can
/// do, and the cause is its [`source`](std::error::Error::source).
///
/// Methods that sqlx's pool has too return [`sqlx::Error`], so that they take its place; `Error::from` gets this error
/// back out of it, with the login that it is about.
///
/// ```
/// use rds_iam_sqlx::Error;
/// use rds_iam_token::ErrorKind;
///
/// let error = Error::from(sqlx::Error::PoolClosed);
/// assert_eq!(error.kind(), ErrorKind::Unreachable);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No token could be signed.
    #[error("logging in as {subject} needs an IAM token, and none could be signed")]
    #[non_exhaustive]
    Token {
        /// The login.
        subject: Box<Subject>,
        /// The cause.
        source: MintError,
    },
    /// Connecting or logging in failed.
    ///
    /// PostgreSQL refuses a login with the code 28000 without a reason, also while an instance restarts. Its kind is
    /// [`Unreachable`](ErrorKind::Unreachable) at first, and [`Denied`](ErrorKind::Denied) once a new connection with a new token
    /// was refused a second later: a [`Pool`](crate::Pool) and [`connect_confirmed`](crate::connect_confirmed) try that.
    #[error("logging in as {subject} failed: {}{}", describe(*kind), sqlstate(source))]
    #[non_exhaustive]
    Connect {
        /// The login.
        subject: Box<Subject>,
        /// The kind.
        kind: ErrorKind,
        /// The driver's error.
        source: sqlx::Error,
    },
    /// A server of another engine answered.
    #[error("logging in as {subject} failed: a {found} server answered, and the login is for {expected}")]
    #[non_exhaustive]
    OtherEngine {
        /// The login.
        subject: Box<Subject>,
        /// The engine that the login is for.
        expected: &'static str,
        /// The engine of the server.
        found: &'static str,
    },
    /// No connection became available in time.
    #[error("no connection as {subject} within {} s ({in_use} of {max} in use)", waited.as_secs_f32())]
    #[non_exhaustive]
    TimedOut {
        /// The login.
        subject: Box<Subject>,
        /// The time waited.
        waited: Duration,
        /// Connections in use or being opened.
        in_use: u32,
        /// The most that the pool may open.
        max: u32,
        /// True if all of them were in use; false if the server did not answer.
        saturated: bool,
    },
    /// The connection string can't be used.
    #[error(transparent)]
    Dsn(#[from] DsnError),
    /// Settings can't be used. The text has all of them, each with its cause and help.
    #[error("the pool can't be created: {}", join(errors))]
    #[non_exhaustive]
    Settings {
        /// The settings.
        errors: Vec<SettingError>,
    },
    /// A statement failed.
    #[error("a statement{} failed: {}", describe_login(subject.as_deref()), describe_statement(*kind))]
    #[non_exhaustive]
    Statement {
        /// The login, if the error was reported to its pool ([`Pool::explain`](crate::Pool::explain)).
        subject: Option<Box<Subject>>,
        /// The kind.
        kind: ErrorKind,
        /// The driver's error.
        source: sqlx::Error,
    },
}

impl Error {
    /// Returns the error of settings, if there are any.
    pub(crate) fn of_settings(errors: Vec<SettingError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self::Settings { errors }) }
    }

    pub(crate) fn connecting(source: sqlx::Error, subject: Subject) -> Self {
        Self::Connect { subject: subject.into(), kind: classify::kind_of_connecting(&source), source }
    }

    pub(crate) fn token(source: MintError, subject: Subject) -> Self {
        Self::Token { subject: subject.into(), source }
    }

    /// Returns whether the server refused a login without a reason, as one that restarts also does.
    pub(crate) fn is_ambiguous_refusal(&self) -> bool {
        matches!(self, Self::Connect { .. }) && self.code().is_some_and(ServerCode::is_ambiguous_refusal)
    }

    /// Returns the error of a refused login that was confirmed: its code's kind counts.
    pub(crate) fn confirmed(mut self) -> Self {
        if let Self::Connect { kind, source, .. } = &mut self {
            *kind = classify::kind(source);
        }
        self
    }

    /// Returns whether a server of another engine may be the cause: it has no reason, and is not that of a certificate or of a
    /// machine that refuses connections.
    pub(crate) fn may_be_of_another_engine(&self) -> bool {
        match self {
            Self::Connect { source: sqlx::Error::Protocol(_), .. }
            | Self::TimedOut { saturated: false, .. } => true,
            Self::Connect { source: sqlx::Error::Io(source), .. } => matches!(
                source.kind(),
                io::ErrorKind::TimedOut | io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
            ),
            _ => false,
        }
    }

    /// Adds the login to the error of a statement.
    pub(crate) fn about(mut self, login: Subject) -> Self {
        if let Self::Statement { subject, .. } = &mut self {
            subject.get_or_insert(login.into());
        }
        self
    }

    /// Returns the kind: what the caller can do.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Token { .. } => ErrorKind::Credentials,
            Self::Dsn(_) | Self::Settings { .. } | Self::OtherEngine { .. } => ErrorKind::Configuration,
            Self::Connect { kind, .. } | Self::Statement { kind, .. } => *kind,
            Self::TimedOut { saturated: true, .. } => ErrorKind::Throttled,
            Self::TimedOut { .. } => ErrorKind::Unreachable,
        }
    }

    /// Returns the kind of an error of sqlx, for code that keeps it: `#[from] sqlx::Error` in an error type.
    ///
    /// ```
    /// use rds_iam_sqlx::{Error, ErrorKind};
    ///
    /// assert_eq!(Error::kind_of(&sqlx::Error::RowNotFound), ErrorKind::Other);
    /// ```
    #[must_use]
    pub fn kind_of(error: &sqlx::Error) -> ErrorKind {
        classify::kind(error)
    }

    /// Returns what an operator can do, in a sentence or two.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        hint::hint(self)
    }

    /// Returns the login that the error is about. `None` for settings, and for a statement's error that was not reported to
    /// its pool.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Token { subject, .. }
            | Self::Connect { subject, .. }
            | Self::OtherEngine { subject, .. }
            | Self::TimedOut { subject, .. } => Some(subject),
            Self::Statement { subject, .. } => subject.as_deref(),
            Self::Dsn(_) | Self::Settings { .. } => None,
        }
    }

    /// Returns the server's error code, if the server refused.
    #[must_use]
    pub fn code(&self) -> Option<ServerCode> {
        match self {
            Self::Connect { source, .. } | Self::Statement { source, .. } => classify::code(source),
            Self::Token { .. }
            | Self::OtherEngine { .. }
            | Self::TimedOut { .. }
            | Self::Dsn(_)
            | Self::Settings { .. } => None,
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

fn join(errors: &[SettingError]) -> String {
    errors.iter().map(SettingError::to_string).collect::<Vec<_>>().join("; ")
}

fn describe_login(subject: Option<&Subject>) -> String {
    subject.map(|subject| format!(" as {subject}")).unwrap_or_default()
}

fn describe_statement(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unreachable => "the connection broke, or there was no answer in time",
        kind => describe(kind),
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

/// Returns PostgreSQL's code, for the end of a message: the driver's text does not have it. MySQL's does.
fn sqlstate(error: &sqlx::Error) -> String {
    let code = classify::code(error).filter(|code| matches!(code, ServerCode::SqlState(_)));
    code.map(|code| format!(" ({code})")).unwrap_or_default()
}

/// Creates the error of a server that did not answer.
pub(crate) fn timed_out_error(within: Duration) -> sqlx::Error {
    let message = format!("no answer within {} s", within.as_secs_f32());
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
        let error = Error::connecting(refused, subject.clone());
        // The driver's error has the text of its source.
        insta::assert_snapshot!(ErrorReport(&error), @"logging in as node_app at db.example.com:3306, database node_db failed: the server can't be reached: error communicating with database: connection refused");
        insta::assert_snapshot!(error, @"logging in as node_app at db.example.com:3306, database node_db failed: the server can't be reached");
        insta::assert_snapshot!(error.hint(), @"The server did not answer: check the endpoint's name, the server's state, the security groups and the port. A private database is reached through a tunnel.");
        let token = Error::token(MintError::TimedOut, subject.clone());
        insta::assert_snapshot!(token, @"logging in as node_app at db.example.com:3306, database node_db needs an IAM token, and none could be signed");
        assert_eq!(token.kind(), ErrorKind::Credentials);
        let silent = timed_out_error(Duration::from_millis(300));
        insta::assert_snapshot!(silent, @"error communicating with database: no answer within 0.3 s");
        let busy = Error::TimedOut {
            subject: subject.clone().into(),
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
