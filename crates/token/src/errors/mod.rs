//! `ErrorKind`: what a caller can do about a database error. `ServerCode`: a server's error code, with its kind.

mod mysql;
mod postgres;

use std::fmt;

/// The kind of a database error, by what the caller can do about it. It is decided by the server's code or by the error's
/// type, never by a message's text.
///
/// ```
/// use rds_iam_token::{ErrorKind, ServerCode};
///
/// let kind = ServerCode::MySql(1045).kind();
/// assert_eq!(kind, ErrorKind::Denied);
/// assert!(!kind.is_retryable());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is wrong: correct it. Retrying changes nothing.
    Configuration,
    /// The server denied access: grant the `rds-db:connect` permission, create the database user, or grant a privilege.
    Denied,
    /// The server limits logins or connections: wait, then try again with the same token.
    Throttled,
    /// The server is away, restarting or failing over: wait, then connect again.
    Unreachable,
    /// The server could not prove its identity: correct the trust roots or the endpoint.
    Tls,
    /// The server refuses writes, since it is a reader: connect again to find the writer.
    ReadOnly,
    /// No token can be signed: check the source of the AWS credentials.
    Credentials,
    /// None of these: a failed statement, or an error to report.
    Other,
}

impl ErrorKind {
    /// All kinds.
    pub const ALL: &'static [Self] = &[
        Self::Configuration,
        Self::Denied,
        Self::Throttled,
        Self::Unreachable,
        Self::Tls,
        Self::ReadOnly,
        Self::Credentials,
        Self::Other,
    ];

    /// Returns the name for logs and metrics, such as `read-only`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::ReadOnly => "read-only",
            Self::Credentials => "credentials",
            Self::Other => "other",
        }
    }

    /// Returns whether the same attempt may succeed later without a change of settings or permissions.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Throttled | Self::Unreachable | Self::ReadOnly | Self::Credentials)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A server's error code: MySQL's number or PostgreSQL's SQLSTATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerCode {
    /// An error number of MySQL, or of RDS Proxy for MySQL.
    MySql(u16),
    /// A SQLSTATE of PostgreSQL, such as `28P01`.
    SqlState([u8; 5]),
}

impl ServerCode {
    /// Returns the code of a SQLSTATE, or `None` if the text is not five letters or digits.
    ///
    /// ```
    /// use rds_iam_token::{ErrorKind, ServerCode};
    ///
    /// assert_eq!(ServerCode::from_sqlstate("25006").unwrap().kind(), ErrorKind::ReadOnly);
    /// assert_eq!(ServerCode::from_sqlstate("1045"), None);
    /// ```
    #[must_use]
    pub fn from_sqlstate(text: &str) -> Option<Self> {
        let code: [u8; 5] = text.as_bytes().try_into().ok()?;
        code.iter().all(u8::is_ascii_alphanumeric).then_some(Self::SqlState(code))
    }

    /// Returns the kind of the error.
    ///
    /// That of an [ambiguous refusal](Self::is_ambiguous_refusal) is [`Denied`](ErrorKind::Denied): a code alone can't show more.
    #[must_use]
    pub fn kind(self) -> ErrorKind {
        match self {
            Self::MySql(number) => mysql::kind(number),
            Self::SqlState(code) => postgres::kind(code),
        }
    }

    /// Returns whether the login itself was refused, with no reason (1045, 28P01, 28000): a new token may be accepted. Other
    /// refusals name their reason, such as a locked user or a missing privilege.
    #[must_use]
    pub fn is_login_refusal(self) -> bool {
        matches!(
            self,
            Self::MySql(1045)
                | Self::SqlState([b'2', b'8', b'P', b'0', b'1'] | [b'2', b'8', b'0', b'0', b'0'])
        )
    }

    /// Returns whether a refused login may mean that the server is restarting (28000): PostgreSQL on RDS also answers so while an
    /// instance reboots. Refused again by a new connection a second later, with a new token, the login is denied.
    #[must_use]
    pub const fn is_ambiguous_refusal(self) -> bool {
        matches!(self, Self::SqlState([b'2', b'8', b'0', b'0', b'0']))
    }

    /// Returns what an operator can do about this very code, or `None` if the kind says all.
    #[must_use]
    pub fn help(self) -> Option<&'static str> {
        match self {
            Self::MySql(number) => mysql::help(number),
            Self::SqlState(code) => postgres::help(code),
        }
    }
}

impl fmt::Display for ServerCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MySql(number) => number.fmt(f),
            Self::SqlState(code) => f.write_str(&String::from_utf8_lossy(code)),
        }
    }
}
