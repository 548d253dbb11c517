//! Acquires a connection from the pool: an idle one, or a new one with a valid token. Replaces a refused cached
//! token once, and retries while the server limits logins.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rds_iam_token::{ErrorKind, MintError, ServerCode, Token};
use sqlx::Connection as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use crate::connection::PoolConnection;
use crate::engine::Engine;
use crate::error::Error;
use crate::health::PING_TIMEOUT;
use crate::idle::{IdleConnection, return_to_sqlx};
use crate::state::State;

/// The time limit for an idle connection, its test included, before another is tried: 2 seconds, so that a wait of
/// the default 5 s leaves time for a new one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// The first pause after the server limits logins: 100 ms. It doubles, with full jitter.
const THROTTLED: Duration = Duration::from_millis(100);

/// The time that a caller waits for a token that it will probably not need: half a second.
const TOKEN_WAIT: Duration = Duration::from_millis(500);

/// The age from which a refused token is worth replacing: 1 second. A younger one was signed for this login, and
/// would come out the same, because a token's time is in whole seconds.
const FRESH: Duration = Duration::from_secs(1);

impl<DB: Engine> State<DB> {
    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<PoolConnection<DB>, Error> {
        let deadline = Instant::now() + self.limits.acquire_timeout;
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) if !self.pool.is_closed() => permit,
            _ => self.wait_for_permit(deadline).await?,
        };
        let borrowed = |connection, acquired_at| PoolConnection::new(connection, acquired_at, permit, self);
        while let Some(IdleConnection { connection, acquired_at, released_at }) = self.idle.pop() {
            if !self.health.needs_test(released_at.elapsed()) && !self.health.is_left(acquired_at.elapsed()) {
                return Ok(borrowed(connection, acquired_at));
            }
            return_to_sqlx(connection, None);
        }
        // Boxed: its future is large, and every waiting task would have one.
        let opened = Box::pin(self.acquire_from_sqlx(deadline)).await;
        opened.map(|connection| borrowed(connection, Instant::now()))
    }

    /// Waits for a permit until `deadline`, or until the pool is closed.
    async fn wait_for_permit(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        match timeout_at(deadline, self.pool.close_event().do_until(permit)).await {
            Ok(Ok(Ok(permit))) => Ok(permit),
            Ok(Err(closed)) => Err(self.target.connect_error(closed, &self.tokens.login().user)),
            Ok(Ok(Err(_))) | Err(_) => Err(self.count_failure(self.timed_out(true))),
        }
    }

    /// Acquires a connection from sqlx. Replaces a refused cached token once, and retries throttled logins.
    async fn acquire_from_sqlx(&self, deadline: Instant) -> Result<sqlx::pool::PoolConnection<DB>, Error> {
        let mut reminted = false;
        let mut pause = THROTTLED;
        loop {
            let token = match self.valid_token().filter(|_| self.pool.num_idle() > 0) {
                Some(token) => token,
                None if self.pool.num_idle() > 0 => {
                    match timeout(TOKEN_WAIT, self.install_token()).await {
                        Ok(Ok(token)) => token,
                        // Sessions outlive their tokens: an idle one needs none. If no idle session answers, wait
                        // for a token, because a new connection must not send an expired one.
                        _ => match self.idle_session().await {
                            Some(session) => return Ok(session),
                            None => self.install_token_by(deadline).await?,
                        },
                    }
                }
                None => self.install_token_by(deadline).await?,
            };
            let error = match self.try_acquire_from_sqlx(deadline).await {
                Ok(connection) => return Ok(connection),
                Err(error) => self.count_failure(error),
            };
            match error.kind() {
                ErrorKind::Denied if !reminted && is_login_refusal(&error) && self.is_cached(&token) => {
                    reminted = true;
                    self.health.counters.remints_after_refusal.fetch_add(1, Relaxed);
                    tracing::info!(user = %self.tokens.login().user, "the server refused a cached IAM token; signing a new one");
                    let replaced = timeout_at(deadline, self.tokens.replace(&token)).await;
                    match replaced.unwrap_or(Err(MintError::TimedOut)) {
                        Ok(token) => self.set_token(&token),
                        Err(source) => {
                            return Err(self.count_failure(Error::token(source, self.subject())));
                        }
                    }
                }
                _ if is_transient(&error) && Instant::now() + pause < deadline => {
                    tokio::time::sleep(pause.mul_f64(fastrand::f64())).await;
                    pause *= 2;
                }
                _ => return Err(error),
            }
        }
    }

    /// Returns an idle connection that answers a ping. Opens none.
    async fn idle_session(&self) -> Option<sqlx::pool::PoolConnection<DB>> {
        while let Some(mut session) = self.pool.try_acquire() {
            match timeout(PING_TIMEOUT, session.ping()).await {
                Ok(Ok(())) => return Some(session),
                _ => drop(session.detach()),
            }
        }
        None
    }

    /// Acquires a connection from sqlx, or returns the reason why there is none by `deadline`.
    async fn try_acquire_from_sqlx(
        &self,
        deadline: Instant,
    ) -> Result<sqlx::pool::PoolConnection<DB>, Error> {
        loop {
            // sqlx waits without limit for an unresponsive connection to close. On timeout, the drop ends that.
            let from_idle = (self.pool.num_idle() > 0).then(|| Instant::now() + IDLE_TIMEOUT);
            match from_idle.filter(|until| *until < deadline) {
                Some(until) => match timeout_at(until, self.open_or_reuse()).await {
                    Ok(acquired) => return acquired,
                    Err(_) => self.health.suspect(),
                },
                None => {
                    let acquired = timeout_at(deadline, self.open_or_reuse()).await;
                    return acquired.unwrap_or_else(|_| Err(self.timed_out(false)));
                }
            }
        }
    }

    async fn open_or_reuse(&self) -> Result<sqlx::pool::PoolConnection<DB>, Error> {
        let opens = || self.pool.num_idle() == 0 && self.pool.size() < self.limits.max_connections;
        if opens() {
            self.rate_limiter.acquire(opens).await;
        }
        self.pool.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => self.timed_out(false),
            error => self.target.connect_error(error, &self.tokens.login().user),
        })
    }

    /// Returns whether a token was signed before this login. A token from the future was signed before the clock was
    /// set back.
    fn is_cached(&self, token: &Token) -> bool {
        let now = self.tokens.clock().now();
        token.age(now) > FRESH || token.signed_at() > now
    }
}

/// Returns whether another attempt may succeed within the caller's time: the server limits logins, or nothing
/// listens while it restarts.
fn is_transient(error: &Error) -> bool {
    match error {
        Error::Connect { source: sqlx::Error::Io(error), .. } => {
            error.kind() == io::ErrorKind::ConnectionRefused
        }
        error => error.kind() == ErrorKind::Throttled && error.code().is_some(),
    }
}

/// Returns whether the login itself was refused, as opposed to a database or a table.
fn is_login_refusal(error: &Error) -> bool {
    matches!(error, Error::Connect { .. }) && error.code().is_some_and(ServerCode::is_login_refusal)
}
