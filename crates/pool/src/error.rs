//! `PoolError`: the pool's errors, each with a `Remedy` for the caller and a hint for the operator. The remedy
//! follows from the error's number or kind, never from its text.

use std::fmt;
use std::io;
use std::time::Duration;

use rds_iam_token::{DbUser, Endpoint, MintError, SignError};
use sqlx::mysql::MySqlDatabaseError;
use thiserror::Error;

/// The caller's remedy for an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// Fix a setting; retrying changes nothing.
    Configure,
    /// Grant the missing access: the `rds-db:connect` permission, the database user, a privilege.
    Permit,
    /// Wait, then try again with the same token: the server limits logins or connections.
    BackOff,
    /// Wait, then connect again: the server is away, restarting or failing over.
    Reconnect,
    /// Fix trust: the server could not prove its identity.
    Trust,
    /// Check the source of the AWS credentials: no token can be signed.
    Credentials,
    /// None of these: a failed statement, or an error to report.
    Report,
}

impl Remedy {
    /// Returns a short name for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configure => "configuration",
            Self::Permit => "denied",
            Self::BackOff => "throttled",
            Self::Reconnect => "unreachable",
            Self::Trust => "tls",
            Self::Credentials => "credentials",
            Self::Report => "other",
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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
/// [`remedy`](Self::remedy) groups it, [`hint`](Self::hint) says in a sentence what to do, and the
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
    #[error("logging in as {subject} failed: {}", describe(*remedy))]
    #[non_exhaustive]
    Connect {
        /// The user, addresses and database.
        subject: String,
        /// The remedy.
        remedy: Remedy,
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
    #[error("a statement failed: {}", describe(*remedy))]
    #[non_exhaustive]
    Statement {
        /// The remedy.
        remedy: Remedy,
        /// The driver's error.
        source: sqlx::Error,
    },
}

impl PoolError {
    pub(crate) fn connecting(source: sqlx::Error, subject: &Subject) -> Self {
        Self::Connect { subject: subject.to_string(), remedy: remedy_of(&source), source }
    }

    pub(crate) fn token(source: MintError, subject: &Subject) -> Self {
        Self::Token { subject: subject.to_string(), source }
    }

    pub(crate) fn statement(source: sqlx::Error) -> Self {
        Self::Statement { remedy: remedy_of(&source), source }
    }

    /// Returns whether the server refused a write because it is read-only: 1290 (`read_only`, `super_read_only`) or
    /// 1836 (`innodb_read_only`). Not 1792, which a transaction's own mode causes, nor 3032 (offline mode),
    /// where the server ends its connections itself.
    pub(crate) fn is_refused_write(&self) -> bool {
        matches!(self, Self::Statement { .. }) && matches!(self.number(), Some(1290 | 1836))
    }

    /// Returns the caller's remedy.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Token { .. } => Remedy::Credentials,
            Self::Limits { .. } => Remedy::Configure,
            Self::Connect { remedy, .. } | Self::Statement { remedy, .. } => *remedy,
            Self::TimedOut { saturated: true, .. } => Remedy::BackOff,
            Self::TimedOut { .. } => Remedy::Reconnect,
        }
    }

    /// Returns what an operator can do, in a sentence or two.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match (self, self.number()) {
            (Self::Token { source: MintError::Sign { source }, .. }, _)
                if matches!(**source, SignError::CredentialsExpired { .. }) =>
            {
                "The AWS credentials have expired: renew them at their source (aws sso login, a new role session, new keys in the file)."
            }
            (Self::Token { .. }, _) => {
                "Check the source of the AWS credentials; the cause below says what failed."
            }
            (Self::Limits { .. }, _) => "Correct the limit; see the documentation of `Limits`.",
            (_, Some(1524)) => {
                "The server does not have AWSAuthenticationPlugin: it is not RDS, or IAM authentication is off on the instance."
            }
            (_, Some(1049)) => {
                "The database does not exist on this server: check its name, or create it first."
            }
            (_, Some(3159)) => {
                "The server requires TLS, which this program always uses: a proxy between them removes it."
            }
            (_, Some(1129)) => {
                "The server has blocked this host after too many failed handshakes: run FLUSH HOSTS (TRUNCATE performance_schema.host_cache) once the cause is gone."
            }
            (_, Some(3955 | 3118)) => {
                "The database user is locked: ALTER USER … ACCOUNT UNLOCK. A user that logs in by token needs no lock-out policy: FAILED_LOGIN_ATTEMPTS 0 PASSWORD_LOCK_TIME 0 removes it."
            }
            (_, Some(1820 | 1862)) => {
                "The database user's password has expired, though it logs in by token: ALTER USER … PASSWORD EXPIRE NEVER."
            }
            (_, Some(1226)) => {
                "The database user has reached its own limit: ALTER USER … WITH MAX_USER_CONNECTIONS 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 removes all of them."
            }
            (_, Some(1290 | 1836)) => {
                "The server refuses writes: it is a reader. After a failover the pool finds the new writer; dial the writer's endpoint, not a reader's."
            }
            (_, Some(1146)) => "A table is missing: run the bootstrap program.",
            (Self::TimedOut { saturated: true, .. }, _) => {
                "Every connection was in use: statements are slow, or the pool is too small for the load."
            }
            (Self::Connect { .. } | Self::TimedOut { .. }, _) => match self.remedy() {
                Remedy::Configure => "Check the endpoint, the port and the database name.",
                Remedy::Permit => {
                    "Check, in this order: the caller's policy allows rds-db:connect on this resource id (db-, cluster- or prx-, not the identifier) and user; the user exists and is IDENTIFIED WITH AWSAuthenticationPlugin; the token was signed for the server's own endpoint and region; this machine's clock is right; the AWS credentials have not ended (keys copied into a file do not say when they end). The cause is in a log: for a proxy first in /aws/rds/proxy/NAME, then, as for an instance, in /aws/rds/instance/NAME/iam-db-auth-error."
                }
                Remedy::BackOff => {
                    "The server limits logins or connections: keep under 200 new IAM connections a second per instance, and see max_connections."
                }
                Remedy::Reconnect => {
                    "The server did not answer: check the endpoint's name, the server's state, the security groups and the port."
                }
                Remedy::Trust => {
                    "The server's certificate does not name the endpoint's host, or is not issued under the trust roots in use: check the endpoint, that the address dialled leads to it, and that the roots are current."
                }
                Remedy::Credentials | Remedy::Report => "The cause below has the server's message.",
            },
            (_, _) => match self.remedy() {
                Remedy::Permit => {
                    "The database user lacks a privilege: declare it in the users file and run the bootstrap program."
                }
                Remedy::Reconnect => "The connection broke: try again.",
                Remedy::BackOff => "The server is busy: try again a little later.",
                _ => "The cause below has the server's message.",
            },
        }
    }

    /// Returns the server's error number, if the server refused.
    #[must_use]
    pub fn number(&self) -> Option<u16> {
        match self {
            Self::Connect { source, .. } | Self::Statement { source, .. } => number(source),
            Self::Token { .. } | Self::TimedOut { .. } | Self::Limits { .. } => None,
        }
    }
}

/// Describes what happened, for the middle of a message.
fn describe(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Configure => "a setting is wrong",
        Remedy::Permit => "the server denied access",
        Remedy::BackOff => "the server is limiting connections",
        Remedy::Reconnect => "the server can't be reached",
        Remedy::Trust => "TLS could not be verified",
        Remedy::Credentials => "no token can be signed",
        Remedy::Report => "the server or the driver reported an error",
    }
}

fn number(error: &sqlx::Error) -> Option<u16> {
    Some(error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?.number())
}

/// Groups a driver's error. Numbers are from MySQL's "Server Error Message Reference" and, for 3159
/// and 9501, from RDS Proxy's.
pub(crate) fn remedy_of(error: &sqlx::Error) -> Remedy {
    match error {
        sqlx::Error::Database(_) => number(error).map_or(Remedy::Report, remedy_of_number),
        sqlx::Error::Io(io) => remedy_of_io(io),
        sqlx::Error::Tls(_) => Remedy::Trust,
        sqlx::Error::Configuration(_) => Remedy::Configure,
        sqlx::Error::PoolTimedOut => Remedy::BackOff,
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Remedy::Reconnect,
        _ => Remedy::Report,
    }
}

fn remedy_of_number(number: u16) -> Remedy {
    match number {
        // access denied: to the server, a database, a table, a column, a routine; host not allowed; the account
        // is locked, blocked after failed logins, or its password has expired
        1044 | 1045 | 1130 | 1142 | 1143 | 1227 | 1370 | 1698 | 1820 | 1862 | 3118 | 3955 => Remedy::Permit,
        // unknown database, unknown table, plugin not loaded
        1049 | 1146 | 1524 => Remedy::Configure,
        // too many connections (and RDS Proxy's IAM rate limit), per-user limits, proxy borrow timeout
        1040 | 1203 | 1226 | 9501 => Remedy::BackOff,
        // shutting down, connection lost or killed, idle for too long, read-only after a failover
        1053 | 1077 | 1079 | 1152 | 1158..=1161 | 1184 | 1290 | 1317 | 1836 | 3032 | 3168 | 3169 | 4031 => {
            Remedy::Reconnect
        }
        // TLS required and missing
        3159 => Remedy::Trust,
        _ => Remedy::Report,
    }
}

/// Creates the error of a server that did not answer.
pub(crate) fn timed_out_error(within: Duration) -> sqlx::Error {
    let message = format!("no answer within {} s", within.as_secs());
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, message))
}

fn remedy_of_io(error: &io::Error) -> Remedy {
    // rustls reports a bad certificate inside an I/O error.
    let tls = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
    if tls { Remedy::Trust } else { Remedy::Reconnect }
}

#[cfg(test)]
mod tests {
    use rds_iam_token::ErrorReport;

    use super::*;

    #[test]
    fn errors_are_grouped_by_kind_not_text() {
        let io = |kind| sqlx::Error::Io(io::Error::new(kind, "Access denied for user (28000)"));
        assert_eq!(remedy_of(&io(io::ErrorKind::ConnectionReset)), Remedy::Reconnect);
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let tls = sqlx::Error::Io(io::Error::new(io::ErrorKind::InvalidData, tls));
        assert_eq!(remedy_of(&tls), Remedy::Trust);
        assert_eq!(remedy_of(&sqlx::Error::Tls("no".into())), Remedy::Trust);
        for (number, remedy) in [
            (1045, Remedy::Permit),
            (1524, Remedy::Configure),
            (1049, Remedy::Configure),
            (1040, Remedy::BackOff),
            (9501, Remedy::BackOff),
            (1053, Remedy::Reconnect),
            (3159, Remedy::Trust),
            (1064, Remedy::Report),
            (3955, Remedy::Permit),
            (3118, Remedy::Permit),
            (1226, Remedy::BackOff),
            (1290, Remedy::Reconnect),
            (1836, Remedy::Reconnect),
        ] {
            assert_eq!(remedy_of_number(number), remedy, "{number}");
        }
    }

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
        assert_eq!(token.remedy(), Remedy::Credentials);
        let busy = PoolError::TimedOut {
            subject: subject.to_string(),
            waited: Duration::from_secs(5),
            in_use: 10,
            max: 10,
            saturated: true,
        };
        insta::assert_snapshot!(busy, @"no connection as node_app at db.example.com:3306, database node_db within 5 s (10 of 10 in use)");
        assert_eq!(busy.remedy(), Remedy::BackOff);
        let tunnel = Subject { dial: "127.0.0.1:13306".parse().unwrap(), ..subject };
        insta::assert_snapshot!(tunnel, @"node_app at db.example.com:3306 through 127.0.0.1:13306, database node_db");
    }
}
