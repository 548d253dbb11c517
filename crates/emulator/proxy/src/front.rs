//! What both engines' sessions need of the proxy: TLS towards clients, the decision about their tokens, the logins to
//! the database, and the counts.

use std::net::IpAddr;

use rds_iam_emulator_control::decide::{Attempt, answer};
use rds_iam_emulator_control::{Counter, RefusalCode, State};
use rds_iam_gateway::{Failure, Upstream};
use rds_iam_token::{Clock, DbUser, Endpoint, TokenSource};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use crate::settings::{Backend, Limits};
use crate::stats::Counters;

/// The parts that all sessions share.
pub(crate) struct Front {
    pub(crate) endpoint: Endpoint,
    pub(crate) upstream: Upstream,
    pub(crate) backend: Backend,
    pub(crate) limits: Limits,
    pub(crate) tls: TlsAcceptor,
    /// The folder with the proxy's state and its record of logins.
    pub(crate) control: tempfile::TempDir,
    pub(crate) counters: Counters,
    /// Becomes true when sessions have to end.
    pub(crate) close: watch::Receiver<bool>,
}

/// The decision about a client's token. The record of logins has the reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Accepted,
    Denied,
    Throttled,
    NoSecret,
}

/// The login to the database as a client's user.
pub(crate) enum Login {
    Token(TokenSource),
    Password(Zeroizing<String>),
}

impl Front {
    /// Decides about the token that a client sent, and records that.
    ///
    /// # Errors
    /// Returns an error if the decision can't be recorded: the client is refused then, too.
    pub(crate) fn decide(&self, user: &str, host: IpAddr, token: &[u8]) -> std::io::Result<Decision> {
        let folder = self.control.path();
        let state = State::read(folder)?;
        if Counter::Throttle.take(folder, state.throttle)? {
            return Ok(Decision::Throttled);
        }
        let host = host.to_string();
        let attempt =
            Attempt { user, host: &host, auth_string: None, encrypted: Some(true), password: token };
        let event = answer(folder, attempt, Clock::system().now())?;
        if !event.accepted() {
            tracing::debug!(user, reason = event.reason(), "a login was refused");
            let throttled = event.code() == Some(RefusalCode::Throttling);
            return Ok(if throttled { Decision::Throttled } else { Decision::Denied });
        }
        let has_secret = match &self.backend {
            Backend::Token(_) => true,
            Backend::Secrets(secrets) => secrets.iter().any(|secret| secret.username == user),
        };
        Ok(if has_secret { Decision::Accepted } else { Decision::NoSecret })
    }

    /// Returns the login to the database as `user`, whom a [`decision`](Self::decide) accepted.
    ///
    /// # Errors
    /// Returns an error if there is none for the user.
    pub(crate) fn login(&self, user: &str) -> Result<Login, Failure> {
        match &self.backend {
            Backend::Token(tokens) => {
                let user: DbUser =
                    user.parse().map_err(|e| Failure::Denied(format!("the user {user}: {e}")))?;
                tokens.source(&user).map(Login::Token)
            }
            Backend::Secrets(secrets) => secrets
                .iter()
                .find(|secret| secret.username == user)
                .map(|secret| Login::Password(secret.password.clone()))
                .ok_or_else(|| Failure::Denied(format!("no secret has the user {user}"))),
        }
    }
}
