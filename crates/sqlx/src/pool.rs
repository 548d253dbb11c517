//! `Pool`: a sqlx pool whose new connections always get a valid token. After a reported error it tests its idle
//! connections, or leaves a server that refuses writes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rds_iam_token::{ErrorKind, TokenSource};
use sqlx::mysql::MySqlPool;

use crate::connect::Target;
use crate::connection::Connection;
use crate::maintenance::{install_new_tokens, keep_warm};
use crate::state::State;
use crate::{Limits, PoolError, Stats};

/// A pool of connections that stays authenticated. Clones share it; dropping the last one closes it.
///
/// Use [`acquire`](Self::acquire) where possible: it handles refused tokens, throttling and the rate limit. Code that
/// needs a sqlx pool can use [`sqlx`](Self::sqlx). Its new connections have valid tokens too, but not the rest.
#[derive(Clone)]
pub struct Pool {
    state: Arc<State>,
}

impl Pool {
    /// Creates a pool and opens one connection, so that a wrong setting shows at once.
    ///
    /// # Errors
    /// Returns the [`PoolError`] of that connection, or of the limits.
    pub async fn connect(tokens: TokenSource, target: Target, limits: Limits) -> Result<Self, PoolError> {
        let pool = Self::lazy(tokens, target, limits)?;
        drop(pool.acquire().await?);
        Ok(pool)
    }

    /// Creates a pool without waiting for a connection. Connections are opened in the background and on demand.
    ///
    /// # Errors
    /// Returns [`PoolError::Limits`] if the limits leave no working pool: see [`Limits::validate`].
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn lazy(tokens: TokenSource, target: Target, limits: Limits) -> Result<Self, PoolError> {
        limits.validate()?;
        let state = Arc::new(State::new(tokens, target, limits));
        tokio::spawn(install_new_tokens(Arc::downgrade(&state)));
        tokio::spawn(keep_warm(Arc::downgrade(&state)));
        Ok(Self { state })
    }

    /// Acquires a connection, idle or new.
    ///
    /// A new one logs in with a token that is valid now. If the server refuses a cached token, one new token is tried.
    /// If it limits logins, the same token is tried again after a pause. Both happen within the acquire timeout.
    ///
    /// # Errors
    /// [`PoolError`]; its [`remedy`](PoolError::remedy) says what to do.
    pub async fn acquire(&self) -> Result<Connection, PoolError> {
        self.state.acquire().await
    }

    /// Returns sqlx's own pool, for code that needs one. It may wait up to 5 s for a connection that
    /// [`Connection::release`] has kept for callers of [`acquire`](Self::acquire).
    #[must_use]
    pub fn sqlx(&self) -> &MySqlPool {
        &self.state.pool
    }

    /// Records a failed statement, and returns an error that says what can be done.
    ///
    /// After a broken connection, every connection that was idle before is tested before it is used again.
    /// After a refused write (1290 or 1836: the server has become a reader), every connection made before is
    /// discarded, at most once in 5 s: idle ones at once, ones in use when they are returned. So the pool
    /// follows its endpoint to the new writer. Until it has found one, [`Stats::read_only_since`] is set.
    #[must_use]
    pub fn report(&self, error: sqlx::Error) -> PoolError {
        let error = self.state.count_failure(PoolError::statement(error));
        if error.is_refused_write() {
            self.state.record_refused_write();
            if self.state.health.leave_unless_recent() {
                self.state.leave_server();
            }
        } else if error.kind() == ErrorKind::Unreachable {
            self.state.health.suspect();
        }
        error
    }

    /// Queries the server, over a connection of the pool, whether it refuses writes. For readiness probes of
    /// services that write: a reader answers pings and reads. If it does, the pool searches for the writer from then
    /// on, as after a refused write ([`report`](Self::report)).
    ///
    /// # Errors
    /// Returns [`PoolError`] if there is no connection or no answer.
    pub async fn is_read_only(&self) -> Result<bool, PoolError> {
        self.state.is_read_only().await
    }

    /// Returns the pool's counters and its state now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let State { pool, tokens, limits, health, .. } = &*self.state;
        let counters = &health.counters;
        Stats {
            size: pool.size(),
            idle: self.state.idle_count(),
            max: limits.max_connections,
            connects: counters.connects.load(Relaxed),
            cached_token_connects: counters.cached_token_connects.load(Relaxed),
            remints_after_refusal: counters.remints_after_refusal.load(Relaxed),
            failures: counters.failures(),
            read_only_since: *health.read_only_since(),
            tokens: tokens.stats(),
        }
    }

    /// Refuses new work, waits until the connections in use are returned, and closes all.
    pub async fn close(&self) {
        self.state.idle.close();
        self.state.pool.close().await;
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // sqlx's pool prints its connect options, password included.
        f.debug_struct("Pool")
            .field("target", &self.state.target)
            .field("limits", &self.state.limits)
            .finish_non_exhaustive()
    }
}
