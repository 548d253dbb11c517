//! The reasons why a session is not opened, or ends early, and how each protocol reports them to the client.

use std::io;
use std::time::SystemTime;

use rds_iam_token::{Endpoint, MintError, Token};
use thiserror::Error;

/// The reason why a session was not opened, or ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The client closed its connection before its login was complete.
    #[error("the client closed the connection before its login was complete")]
    ClientGone,
    /// The client's bytes are no login of this protocol.
    #[error("the client's login could not be read: {0}")]
    Malformed(&'static str),
    /// A login packet is longer than [`MAX_LOGIN_PACKET`](crate::MAX_LOGIN_PACKET).
    #[error("a packet of the login has {length} bytes; the limit is {}", crate::MAX_LOGIN_PACKET)]
    TooLong {
        /// The announced length, in bytes.
        length: usize,
    },
    /// The client was refused by the gateway itself: another user, a wrong local password, a request that the
    /// gateway does not forward.
    #[error("{0}")]
    Denied(String),
    /// All sessions of the listener are taken.
    #[error("the gateway has {limit} sessions open, its limit. Close one, or raise the limit")]
    Full {
        /// The limit.
        limit: usize,
    },
    /// Too many clients log in.
    #[error(
        "too many clients log in: the gateway begins {per_second} logins a second. Try again, or raise the limit"
    )]
    TooFast {
        /// The limit.
        per_second: u32,
    },
    /// The login took too long.
    #[error("the login was not complete after {} s", .0.as_secs())]
    TimedOut(std::time::Duration),
    /// No token could be signed.
    #[error("no token for the login could be signed")]
    Credentials(#[source] MintError),
    /// The database did not accept a connection.
    #[error("the database at {dialled} could not be reached")]
    Unreachable {
        /// The dialled address.
        dialled: Endpoint,
        /// The system's error.
        source: io::Error,
    },
    /// The database does not offer TLS.
    #[error("{0} offers no TLS; a token is never sent without it")]
    NoTls(Endpoint),
    /// TLS with the database failed; usually its certificate could not be verified.
    #[error("TLS with {endpoint} failed")]
    Tls {
        /// The endpoint, whose name is verified.
        endpoint: Endpoint,
        /// The cause.
        source: io::Error,
    },
    /// The database refused the login.
    #[error("{endpoint} refused the login: {message}")]
    Refused {
        /// The endpoint that the token was signed for.
        endpoint: Endpoint,
        /// The engine's error number or SQLSTATE.
        code: rds_iam_token::ServerCode,
        /// The server's message, as text.
        message: String,
        /// The server's packet or message, whole, to be forwarded.
        packet: Vec<u8>,
    },
    /// The database's answer is none of its protocol.
    #[error("the answer of {endpoint} could not be read: {what}")]
    Unexpected {
        /// The endpoint.
        endpoint: Endpoint,
        /// The unexpected part.
        what: &'static str,
    },
    /// The database's connection failed while the login was in progress.
    #[error("the connection to {endpoint} failed during the login")]
    Lost {
        /// The endpoint.
        endpoint: Endpoint,
        /// The system's error.
        source: io::Error,
    },
    /// The client's connection failed while the login was in progress.
    #[error("the client's connection failed during its login")]
    Io(#[from] io::Error),
}

/// What the secret parts of a token begin with.
pub(crate) const TOKEN_PARAMETER: &str = "X-Amz-";

/// Returns a server's text up to a token that it repeats, or `None` if it repeats none.
pub(crate) fn without_token(text: &str) -> Option<String> {
    text.find(TOKEN_PARAMETER).map(|at| format!("{}… (a token followed)", &text[..at]))
}

impl Failure {
    /// The values of [`reason`](Self::reason).
    pub(crate) const REASONS: &[&str] =
        &["client", "denied", "limit", "timeout", "credentials", "unreachable", "tls", "refused", "upstream"];

    /// Returns whether it refuses a token that was signed before the login `started`: it may have been revoked with its
    /// credentials, so that a new one is worth one more try.
    pub(crate) fn may_be_of_revoked(&self, token: &Token, started: SystemTime) -> bool {
        matches!(self, Self::Refused { code, .. } if code.is_login_refusal()) && token.signed_at() < started
    }

    /// Returns the failure of a stream that is the database's.
    pub(crate) fn of_database(self, endpoint: &Endpoint) -> Self {
        match self {
            Self::Io(source) => Self::Lost { endpoint: endpoint.clone(), source },
            other => other,
        }
    }

    /// Returns the reason in a word, as in the metrics' label `reason`.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ClientGone | Self::Malformed(_) | Self::TooLong { .. } | Self::Io(_) => "client",
            Self::Denied(_) => "denied",
            Self::Full { .. } | Self::TooFast { .. } => "limit",
            Self::TimedOut(_) => "timeout",
            Self::Credentials(_) => "credentials",
            Self::Unreachable { .. } | Self::Lost { .. } => "unreachable",
            Self::NoTls(_) | Self::Tls { .. } => "tls",
            Self::Refused { .. } => "refused",
            Self::Unexpected { .. } => "upstream",
        }
    }
}
