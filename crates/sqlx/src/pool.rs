//! `Pool`: a sqlx pool whose new connections always get a valid token. After a failed statement it tests its idle
//! connections, or leaves a server that refuses writes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rds_iam_token::TokenSource;
use tokio::time::Instant;

use crate::connect::Target;
use crate::connection::PoolConnection;
use crate::engine::Engine;
use crate::error::Error;
use crate::limits::Limits;
use crate::maintenance::{install_new_tokens, keep_warm};
use crate::speaks;
use crate::state::State;
use crate::stats::Stats;

/// A pool of connections that stays authenticated. Clones share it; dropping the last one closes it.
///
/// Statements run on `&pool` as on sqlx's: `query.fetch_all(&pool)`; or on a connection that [`acquire`](Self::acquire)
/// borrows, or in a transaction that [`begin`](Self::begin) begins. Each new connection logs in with a token that is valid
/// at that moment, and each failed statement is noticed: after a broken connection, every connection that was idle before
/// is tested before it is used again. After a refused write (the server has become a reader), every connection made before
/// is discarded, at most once in 5 s: idle ones at once, ones in use when they are returned. So the pool follows its
/// endpoint to the new writer. Until it has found one, [`Stats::read_only_since`] is set. PostgreSQL also refuses writes in a
/// transaction that may only read: there, the connection is first asked, when it is returned, whether its server is a reader.
///
/// Code that needs sqlx's own pool can use [`sqlx`](Self::sqlx). Its new connections have valid tokens too, but not the
/// rest.
pub struct Pool<DB: Engine> {
    state: Arc<State<DB>>,
}

impl<DB: Engine> Clone for Pool<DB> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state) }
    }
}

impl<DB: Engine> Pool<DB> {
    /// Creates a pool, whose limits are valid.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub(crate) fn new(tokens: TokenSource, target: Target, limits: Limits) -> Self {
        let state = State::new(tokens, target, limits);
        tokio::spawn(install_new_tokens(Arc::downgrade(&state)));
        tokio::spawn(keep_warm(Arc::downgrade(&state)));
        Self { state }
    }

    /// Opens one connection, or fails with its error.
    pub(crate) async fn open_first(&self) -> Result<(), Error> {
        let (subject, limit) = (self.state.subject(), self.state.limits.first_connection());
        tracing::debug!(login = %subject, ?limit, "opening the first connection");
        let started = Instant::now();
        if let Err(error) = self.state.acquire().await {
            return Err(speaks::explain::<DB>(error).await);
        }
        tracing::debug!(login = %subject, elapsed = ?started.elapsed(), "opened the first connection");
        Ok(())
    }

    /// Acquires a connection, idle or new.
    ///
    /// A new one logs in with a token that is valid now. If the server refuses a cached token, one new token is tried.
    /// If it limits logins, the same token is tried again after a pause. Both happen within the acquire timeout.
    ///
    /// # Errors
    /// Returns sqlx's error, as its pool does. `Error::from` gets the pool's [`Error`] out of it, whose
    /// [`kind`](Error::kind) says what to do.
    pub async fn acquire(&self) -> sqlx::Result<PoolConnection<DB>> {
        Ok(self.state.acquire().await?)
    }

    /// Returns sqlx's own pool, for code that needs one, such as migrations. It gets the connections that are idle now;
    /// while other callers use this pool, it may wait up to 5 s for one that they return. Read statements on it to their end: sqlx tests a connection whose statement was dropped
    /// with a ping alone, which does not show that a part of the answer was lost, nor that a transaction has begun.
    #[must_use]
    pub fn sqlx(&self) -> &sqlx::Pool<DB> {
        self.state.idle.return_unused_since(Instant::now());
        &self.state.pool
    }

    /// Returns whether the pool was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.pool.is_closed()
    }

    /// Notices the error of a statement that ran on sqlx's own pool or connection, as the pool notices those of its own
    /// statements, and returns it as the pool's.
    #[must_use]
    pub fn report(&self, error: sqlx::Error) -> Error {
        self.state.notice(&error);
        self.explain(error)
    }

    /// Returns an error of this pool's statements as the pool's, with the login that it is about.
    #[must_use]
    pub fn explain(&self, error: sqlx::Error) -> Error {
        Error::from(error).about(self.state.subject())
    }

    /// Queries the server, over a connection of the pool, whether it refuses writes. For readiness probes of
    /// services that write: a reader answers pings and reads. If it does, the pool searches for the writer from then
    /// on, as after a refused write. A transaction, session or role of PostgreSQL that may only read is no such server.
    ///
    /// # Errors
    /// Returns [`Error`] if there is no connection or no answer.
    pub async fn is_read_only(&self) -> Result<bool, Error> {
        self.state.is_read_only().await
    }

    /// Returns the source of the tokens that the pool logs in with.
    #[must_use]
    pub fn tokens(&self) -> &TokenSource {
        &self.state.tokens
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

impl<DB: Engine> fmt::Debug for Pool<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // sqlx's pool prints its connect options, password included.
        f.debug_struct("Pool")
            .field("target", &self.state.target)
            .field("limits", &self.state.limits)
            .finish_non_exhaustive()
    }
}
