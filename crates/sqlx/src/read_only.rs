//! Leaving a server that refuses writes, and finding the one that accepts them.

use std::sync::{Arc, Weak};

use sqlx::Connection as _;
use sqlx::pool::PoolConnection;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use crate::connect::connect;
use crate::credential::Credential;
use crate::engine::Engine;
use crate::error::{Error, timed_out_error};
use crate::health::PING_TIMEOUT;
use crate::idle::{return_in_step_after, return_to_sqlx};
use crate::state::State;

impl<DB: Engine> State<DB> {
    /// Records that the server is a reader, and discards its connections, at most once in 5 s.
    pub(crate) fn leave_reader(&self) {
        self.record_refused_write();
        if self.health.leave_unless_recent() {
            self.leave_server();
        }
    }

    /// Records that the server refuses writes.
    fn record_refused_write(&self) {
        let mut since = self.health.read_only_since();
        if since.is_none() {
            *since = Some(self.tokens.clock().now());
            tracing::warn!(
                user = %self.tokens.login().user,
                "the server refuses writes; connecting again until another is the writer"
            );
            self.health.wake.notify_one();
        }
    }

    /// Discards all open connections: the idle ones now, the others when they are returned.
    fn leave_server(&self) {
        self.idle.return_unused_since(Instant::now());
        for _ in 0..self.pool.num_idle() {
            let Some(connection) = self.pool.try_acquire() else { break };
            return_to_sqlx(connection, None);
        }
        self.health.wake.notify_one();
    }

    pub(crate) async fn is_read_only(self: &Arc<Self>) -> Result<bool, Error> {
        let mut connection = self.acquire().await?;
        let answer = connection.watch(async |connection| DB::is_read_only(connection).await).await;
        let read_only = answer.map_err(|error| Error::from(error).about(self.subject()))?;
        if read_only {
            self.record_refused_write();
        }
        Ok(read_only)
    }

    /// Queries over a new connection whether writes are still refused, and moves to its server if not. One login,
    /// however many connections there are, so that a server that stays read-only is not overloaded.
    pub(crate) async fn find_writer(&self) -> Result<(), Error> {
        if !self.is_new_server_read_only().await? {
            *self.health.read_only_since() = None;
            self.health.leave();
            self.leave_server();
            tracing::info!(user = %self.tokens.login().user, "the server accepts writes again");
        }
        Ok(())
    }

    /// Returns a connection on which a write was refused to sqlx, and leaves its server if that is a reader. The connection itself
    /// is asked: by now, the endpoint may lead to another server. Its transaction, which may have been the cause, is rolled back.
    pub(crate) fn return_doubted(
        pool: Weak<Self>,
        connection: PoolConnection<DB>,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        return_in_step_after(connection, permit, |connection| {
            Box::pin(async move {
                if DB::is_read_only(connection).await?
                    && let Some(pool) = pool.upgrade()
                {
                    pool.leave_reader();
                }
                Ok(())
            })
        });
    }

    /// Queries over a new connection whether its server refuses writes.
    async fn is_new_server_read_only(&self) -> Result<bool, Error> {
        let token = self.install_token().await;
        let token = token.map_err(|source| Error::token(source, self.subject()))?;
        let user = &self.tokens.login().user;
        let mut connection = connect::<DB>(&self.target, user, Credential::Token(&token)).await?;
        let answer = timeout(PING_TIMEOUT, DB::is_read_only(&mut connection)).await;
        let answer = answer.unwrap_or_else(|_| Err(timed_out_error(PING_TIMEOUT)));
        drop(timeout(PING_TIMEOUT, connection.close()).await);
        answer.map_err(|error| Error::from(error).about(self.subject()))
    }
}
