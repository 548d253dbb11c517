//! The reasons for refusing a token, for the server's log, and the class and status of each in RDS's log.

use std::fmt;
use std::time::{Duration, SystemTime};

use thiserror::Error;

use crate::{Endpoint, LIFETIME, Region, SERVICE};

/// The reason why a token was refused. For the server's log: no variant holds a secret or a signature.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// Not a token at all.
    #[error("not an IAM token: {what}")]
    Malformed {
        /// The error in its format.
        what: &'static str,
    },
    /// A parameter that every token has is missing.
    #[error("not an IAM token: {parameter} is missing")]
    Missing {
        /// The parameter's name.
        parameter: &'static str,
    },
    /// A parameter is repeated.
    #[error("not an IAM token: {parameter} is in it twice")]
    Repeated {
        /// The parameter's name.
        parameter: &'static str,
    },
    /// Signed for something other than connecting.
    #[error("the token is for the action {action:?}, not connect")]
    WrongAction {
        /// The action that it names.
        action: String,
    },
    /// Signed for another user.
    #[error("the token is for the user {signed_for:?}, but {user:?} logs in with it")]
    WrongUser {
        /// The user that it names.
        signed_for: String,
        /// The user that logs in.
        user: String,
    },
    /// Signed for another host.
    #[error(
        "the token is for the endpoint {signed_for}, which is not this server (sign for the real endpoint, not for an alias or a tunnel)"
    )]
    WrongHost {
        /// The endpoint that it names.
        signed_for: Endpoint,
    },
    /// Signed for this host but another port.
    #[error("the token is for port {signed_for}, but this server's is {expected}")]
    WrongPort {
        /// The port that it names.
        signed_for: u16,
        /// The port of this server.
        expected: u16,
    },
    /// Signed for another region.
    #[error("the token is for the region {signed_for:?}, but this server is in {expected}")]
    WrongRegion {
        /// The region that it names.
        signed_for: String,
        /// The region of this server.
        expected: Region,
    },
    /// Signed for another AWS service.
    #[error("the token is for the service {service:?}, not {SERVICE}")]
    WrongService {
        /// The service that it names.
        service: String,
    },
    /// The token has expired.
    #[error("the token expired {} s ago", seconds(*expired_at, *now))]
    Expired {
        /// The time at which it expired.
        expired_at: SystemTime,
        /// The server's time.
        now: SystemTime,
    },
    /// Signed further in the future than clocks may differ.
    #[error("the token was signed {} s in the future: the signer's clock is ahead", seconds(*now, *signed_at))]
    FromTheFuture {
        /// The time at which it claims to have been signed.
        signed_at: SystemTime,
        /// The server's time.
        now: SystemTime,
    },
    /// The lifetime in the token is longer than a token may have.
    #[error("the token claims to live {} s, more than the {} s allowed", lifetime.as_secs(), LIFETIME.as_secs())]
    TooLong {
        /// The life that it claims.
        lifetime: Duration,
    },
    /// Signed with a key that is unknown to this server.
    #[error("the access key {access_key_id:?} is unknown")]
    UnknownKey {
        /// The key's id.
        access_key_id: String,
    },
    /// The session token is missing, unexpected or another key's.
    #[error("the session token does not belong to the access key {access_key_id:?}")]
    SessionToken {
        /// The key's id.
        access_key_id: String,
    },
    /// The credentials that signed it have expired.
    #[error("the credentials of the access key {access_key_id:?} expired {} s ago", seconds(*expired_at, *now))]
    KeyExpired {
        /// The key's id.
        access_key_id: String,
        /// The time at which they expired.
        expired_at: SystemTime,
        /// The server's time.
        now: SystemTime,
    },
    /// Changed after signing, or signed with another secret.
    #[error("the signature does not match: the token was altered or signed with another secret")]
    SignatureMismatch,
    /// Properly signed, but the signer may not log in as this user.
    #[error("the access key {access_key_id:?} has no rds-db:connect permission for the user {user:?}")]
    NotAllowed {
        /// The key's id.
        access_key_id: String,
        /// The user.
        user: String,
    },
}

/// The class of a refusal in the `iam-db-auth-error` log of RDS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalCode {
    /// The token is not one, or not one for this login.
    InvalidToken,
    /// The token or its credentials have expired.
    ExpiredToken,
    /// The caller is known but not permitted.
    NotAuthorized,
}

impl VerifyError {
    /// Returns the class of this refusal.
    #[must_use]
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Expired { .. } | Self::KeyExpired { .. } => RefusalCode::ExpiredToken,
            Self::NotAllowed { .. } => RefusalCode::NotAuthorized,
            _ => RefusalCode::InvalidToken,
        }
    }
}

impl RefusalCode {
    /// Returns the HTTP-like status that RDS logs with it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidToken | Self::ExpiredToken => 400,
            Self::NotAuthorized => 403,
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidToken => "InvalidToken",
            Self::ExpiredToken => "ExpiredToken",
            Self::NotAuthorized => "NotAuthorized",
        })
    }
}

/// Returns the whole seconds from `earlier` to `later`.
fn seconds(earlier: SystemTime, later: SystemTime) -> u64 {
    later.duration_since(earlier).unwrap_or_default().as_secs()
}
