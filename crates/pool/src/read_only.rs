//! Leaving a server that refuses writes, and finding the one that accepts them.

use std::sync::Arc;

use rds_iam_token::Chain;
use sqlx::mysql::MySqlConnection;
use sqlx::{Connection as _, Executor as _, Row as _};
use tokio::time::{Instant, timeout};

use crate::PoolError;
use crate::connect::{Secret, connect};
use crate::connection::give_back;
use crate::error::silent;
use crate::health::PING_TIMEOUT;
use crate::pool::Inner;

/// Asks a server whether it refuses writes: as a replica, by its administrator, or (Aurora's readers) by its
/// storage. Every user may ask, and it pins no session behind RDS Proxy.
const IS_READ_ONLY: &str = "SELECT @@GLOBAL.read_only OR @@GLOBAL.innodb_read_only";

impl Inner {
    /// Notes that the server refuses writes.
    pub(crate) fn refuses_writes(&self) {
        let mut since = self.health.read_only_since();
        if since.is_none() {
            *since = Some(self.tokens.clock().now());
            tracing::warn!(
                user = %self.tokens.login().user,
                "the server refuses writes; connecting again until another is the writer"
            );
            self.health.look_now.notify_one();
        }
    }

    /// Discards all connections that there are: the idle ones now, the others when they come back.
    pub(crate) fn leave_server(&self) {
        self.spares.give_back_idle(Instant::now());
        for _ in 0..self.pool.num_idle() {
            let Some(idle) = self.pool.try_acquire() else { break };
            give_back(idle, None);
        }
        self.health.look_now.notify_one();
    }

    pub(crate) async fn is_read_only(self: &Arc<Self>) -> Result<bool, PoolError> {
        let mut connection = self.acquire().await?;
        let answer = is_read_only(&mut connection).await;
        let read_only = answer.map_err(|error| self.failed(PoolError::statement(error)))?;
        connection.finished();
        if read_only {
            self.refuses_writes();
        }
        Ok(read_only)
    }

    /// Asks over a new connection whether writes are still refused, and moves to its server if not. One
    /// login, however many connections there are, so that a server that stays read-only isn't stormed.
    async fn find_writer(&self) -> Result<(), PoolError> {
        let token = self.install().await.map_err(|source| PoolError::token(source, &self.subject()))?;
        let user = &self.tokens.login().user;
        let mut connection = connect(&self.target, user, Secret::Token(&token)).await?;
        let answer = timeout(PING_TIMEOUT, is_read_only(&mut connection)).await;
        let answer = answer.unwrap_or_else(|_| Err(silent(PING_TIMEOUT)));
        if !answer.map_err(PoolError::statement)? {
            *self.health.read_only_since() = None;
            self.health.leave();
            self.leave_server();
            tracing::info!(%user, "the server accepts writes again");
        }
        drop(timeout(PING_TIMEOUT, connection.close()).await);
        Ok(())
    }

    /// What the pool does by itself, every few seconds.
    pub(crate) async fn keep_up(self: &Arc<Self>) -> Result<(), PoolError> {
        self.warm_up().await?;
        if self.health.read_only_since().is_some()
            && self.health.ask_in_turn()
            && let Err(error) = self.find_writer().await
        {
            tracing::debug!(error = %Chain(&error), "no answer as to writes");
        }
        Ok(())
    }
}

async fn is_read_only(connection: &mut MySqlConnection) -> sqlx::Result<bool> {
    connection.fetch_one(sqlx::raw_sql(IS_READ_ONLY)).await?.try_get::<i64, _>(0).map(|on| on != 0)
}
