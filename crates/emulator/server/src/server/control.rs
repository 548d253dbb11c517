//! Controls a running server: its keys, endpoints, clock and failures.

use std::sync::PoisonError;

use rds_iam_emulator_control::{AccessKey, Refuse, State};
use rds_iam_token::Endpoint;

use super::Server;
use crate::error::Error;
use crate::server::kind::Kind;
use crate::server::kind::launch::Root as _;

impl<E: Kind> Server<E> {
    /// Makes the server accept another access key, or replaces one with the same id.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the server's folder is gone.
    pub fn enter_key(&self, key: AccessKey) -> Result<(), Error> {
        self.change(|state| {
            state.keys.retain(|known| known.id != key.id);
            state.keys.push(key);
        })
    }

    /// Accepts tokens for another endpoint too, such as that of a proxy that is created later. Unlike
    /// that of [`Builder::also_endpoint`](crate::Builder::also_endpoint), its name is not in the server's certificate.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the server's folder is gone.
    pub fn accept_endpoint(&self, endpoint: &Endpoint) -> Result<(), Error> {
        let endpoint = endpoint.to_string();
        self.change(|state| {
            state.endpoints.retain(|known| *known != endpoint);
            state.endpoints.push(endpoint);
        })
    }

    /// Limits the default credentials to these users, as an `rds-db:connect` policy does.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the server's folder is gone.
    pub fn allow_users<U: Into<String>>(&self, users: impl IntoIterator<Item = U>) -> Result<(), Error> {
        let users: Vec<String> = users.into_iter().map(Into::into).collect();
        self.change(|state| {
            state.keys.iter_mut().filter(|k| k.id == self.key.id).for_each(|k| k.users = Some(users.clone()));
        })
    }

    /// Moves the server's clock, by which tokens expire, this many seconds away from the real time. A token that is
    /// signed by the real time then has this age from the start.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the server's folder is gone.
    pub fn set_clock(&self, offset_seconds: i64) -> Result<(), Error> {
        self.change(|state| state.clock_offset_seconds = offset_seconds)
    }

    /// Refuses the next `count` logins by token, valid or not; zero cancels an earlier order. The record has
    /// them as `500 Internal`.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the server's folder is gone.
    pub fn refuse_next(&self, count: u32) -> Result<(), Error> {
        self.change(|state| state.refuse = Refuse { serial: state.refuse.serial + 1, count })
    }

    /// Makes the server refuse writes (error 1290; PostgreSQL: SQLSTATE 25006), like a writer that has become a reader,
    /// or accept them again. The connections of clients are kept.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if the server does not answer.
    pub async fn set_read_only(&self, read_only: bool) -> Result<(), Error> {
        let mut root = self.root("answer").await?;
        root.set_read_only(read_only).await?;
        root.close().await;
        Ok(())
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        self.folder().write_state(&state)
    }
}
