//! Acquires a connection from the pool: an idle one, or a new one with a valid token. Replaces a refused cached
//! token once, retries while the server limits logins, and tries an unexplained refusal once more.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rds_iam_token::{ErrorKind, MintError, ServerCode, Token};
use sqlx::Connection as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use crate::connect::connect;
use crate::connection::PoolConnection;
use crate::credential::Credential;
use crate::engine::Engine;
use crate::error::Error;
use crate::health::PING_TIMEOUT;
use crate::idle::{IdleConnection, return_to_sqlx};
use crate::refusal::Verdict;
use crate::state::State;

/// The time limit for an idle connection, its test included, before another is tried: 2 seconds, so that a wait of
/// the default 5 s leaves time for a new one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// The first pause after the server limits logins: 100 ms. It doubles, with full jitter.
const THROTTLED: Duration = Duration::from_millis(100);

/// The time without an answer after which a caller that waits longer says so: 3 seconds.
const SLOW: Duration = Duration::from_secs(3);

/// The most time that is left for an attempt of its own after the driver's: 1 second.
const LAST_ATTEMPT: Duration = Duration::from_secs(1);

/// The time that a caller waits for a token that it will probably not need: half a second.
const TOKEN_WAIT: Duration = Duration::from_millis(500);

/// The age from which a refused token is worth replacing: 1 second. A younger one was signed for this login, and
/// would come out the same, because a token's time is in whole seconds.
const FRESH: Duration = Duration::from_secs(1);

/// The time that a caller waits for a new connection.
#[derive(Clone, Copy)]
struct Wait {
    limit: Duration,
    deadline: Instant,
}

impl Wait {
    fn new(limit: Duration) -> Self {
        Self { limit, deadline: Instant::now() + limit }
    }
}

impl<DB: Engine> State<DB> {
    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<PoolConnection<DB>, Error> {
        self.acquire_within(self.limits.connect_timeout).await
    }

    /// Acquires a connection for no caller: a server that takes longer to answer is left alone.
    pub(crate) async fn acquire_warm(self: &Arc<Self>) -> Result<PoolConnection<DB>, Error> {
        self.acquire_within(None).await
    }

    /// Acquires a connection, for which a new one may take as long as given, or else until the wait for any ends.
    async fn acquire_within(
        self: &Arc<Self>,
        connect_timeout: Option<Duration>,
    ) -> Result<PoolConnection<DB>, Error> {
        let wait = Wait::new(self.limits.acquire_timeout);
        let deadline = wait.deadline;
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) if !self.pool.is_closed() => permit,
            _ => self.wait_for_permit(deadline).await?,
        };
        let borrowed = |connection, acquired_at| PoolConnection::new(connection, acquired_at, permit, self);
        while let Some(IdleConnection { connection, acquired_at, released_at }) = self.idle.pop() {
            let (health, idle) = (&self.health, released_at.elapsed());
            if !health.needs_test(idle) && !health.is_doubted(idle) && !health.is_left(acquired_at.elapsed())
            {
                return Ok(borrowed(connection, acquired_at));
            }
            if health.is_doubted(idle) {
                Self::return_doubted(Arc::downgrade(self), connection, None);
            } else {
                return_to_sqlx(connection, None);
            }
        }
        // Boxed: its future is large, and every waiting task would have one.
        let opened = match connect_timeout {
            None => Box::pin(self.acquire_from_sqlx(wait)).await,
            Some(limit) => Box::pin(self.acquire_slowly(Wait::new(limit))).await,
        };
        opened.map(|connection| borrowed(connection, Instant::now()))
    }

    /// Waits for a permit until `deadline`, or until the pool is closed.
    async fn wait_for_permit(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        match timeout_at(deadline, self.pool.close_event().do_until(permit)).await {
            Ok(Ok(Ok(permit))) => Ok(permit),
            Ok(Err(closed)) => Err(self.target.connect_error(closed, &self.tokens.login().user)),
            Ok(Ok(Err(_))) | Err(_) => {
                Err(self.count_failure(self.timed_out(self.limits.acquire_timeout, true)))
            }
        }
    }

    /// Acquires a connection from sqlx. Says so when the server takes long, as a paused cluster does.
    async fn acquire_slowly(&self, wait: Wait) -> Result<sqlx::pool::PoolConnection<DB>, Error> {
        let started = Instant::now();
        let mut acquiring = std::pin::pin!(self.acquire_from_sqlx(wait));
        if let Ok(acquired) = timeout(SLOW, &mut acquiring).await {
            return acquired;
        }
        let announces = self.health.should_announce_wait();
        let login = announces.then(|| self.subject());
        if let Some(login) = &login {
            tracing::info!(
                %login,
                "the database has not answered for {} s; waiting up to {} s (a paused Aurora cluster takes about 15 s to resume)",
                SLOW.as_secs(), wait.limit.as_secs_f32()
            );
        }
        let acquired = acquiring.await;
        if let (Some(login), Ok(_)) = (&login, &acquired) {
            tracing::info!(%login, "the database answered after {:.1} s", started.elapsed().as_secs_f32());
        }
        acquired
    }

    /// Acquires a connection from sqlx. Replaces a refused cached token once, retries throttled logins, and tries a refusal that
    /// may be that of a server that restarts once more.
    async fn acquire_from_sqlx(&self, wait: Wait) -> Result<sqlx::pool::PoolConnection<DB>, Error> {
        let deadline = wait.deadline;
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
            let error = match self.try_acquire_from_sqlx(wait, &token).await {
                Ok(connection) => return Ok(connection),
                Err(error) if error.is_ambiguous_refusal() => {
                    match self.health.refusals.judge(Instant::now(), &token) {
                        Verdict::Denied => return Err(self.count_failure(error.confirmed())),
                        Verdict::Wait(pause) => {
                            let error = self.count_failure(error);
                            if Instant::now() + pause >= deadline {
                                return Err(error);
                            }
                            tracing::info!(
                                user = %self.tokens.login().user,
                                "the server refused a login without a reason, as one that restarts does; trying once more"
                            );
                            tokio::time::sleep(pause).await;
                        }
                    }
                    self.replace_token(&token, deadline).await?;
                    continue;
                }
                Err(error) => self.count_failure(error),
            };
            match error.kind() {
                ErrorKind::Denied if !reminted && is_login_refusal(&error) && self.is_cached(&token) => {
                    reminted = true;
                    tracing::info!(user = %self.tokens.login().user, "the server refused a cached IAM token; signing a new one");
                    self.replace_token(&token, deadline).await?;
                }
                _ if is_transient(&error) && Instant::now() + pause < deadline => {
                    tokio::time::sleep(pause.mul_f64(fastrand::f64())).await;
                    pause *= 2;
                }
                _ => return Err(error),
            }
        }
    }

    /// Installs a token other than the refused one.
    async fn replace_token(&self, refused: &Token, deadline: Instant) -> Result<(), Error> {
        self.health.counters.remints_after_refusal.fetch_add(1, Relaxed);
        let replaced = timeout_at(deadline, self.tokens.replace(refused)).await;
        match replaced.unwrap_or(Err(MintError::TimedOut)) {
            Ok(token) => {
                self.set_token(&token);
                Ok(())
            }
            Err(source) => Err(self.count_failure(Error::token(source, self.subject()))),
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

    /// Acquires a connection from sqlx, or returns the reason why there is none in time.
    async fn try_acquire_from_sqlx(
        &self,
        wait: Wait,
        token: &Token,
    ) -> Result<sqlx::pool::PoolConnection<DB>, Error> {
        let deadline = wait.deadline;
        loop {
            // sqlx waits without limit for an unresponsive connection to close. On timeout, the drop ends that.
            let from_idle = (self.pool.num_idle() > 0).then(|| Instant::now() + IDLE_TIMEOUT);
            match from_idle.filter(|until| *until < deadline) {
                Some(until) => match timeout_at(until, self.open_or_reuse(wait)).await {
                    Ok(acquired) => return acquired,
                    Err(_) => self.health.suspect(),
                },
                None if DB::RETRIES_REFUSED_LOGINS => return self.open_with_reason(wait, token).await,
                None => {
                    let acquired = timeout_at(deadline, self.open_or_reuse(wait)).await;
                    return acquired.unwrap_or_else(|_| Err(self.timed_out(wait.limit, false)));
                }
            }
        }
    }

    /// Acquires a connection from sqlx, which tries some refused logins again, and would not return why it has none. So the last
    /// attempt is another's.
    async fn open_with_reason(
        &self,
        wait: Wait,
        token: &Token,
    ) -> Result<sqlx::pool::PoolConnection<DB>, Error> {
        let left = wait.deadline.duration_since(Instant::now());
        let until = wait.deadline - LAST_ATTEMPT.min(left / 2);
        if let Ok(acquired) = timeout_at(until, self.open_or_reuse(wait)).await {
            return acquired;
        }
        let user = &self.tokens.login().user;
        let attempt = connect::<DB>(&self.target, user, Credential::Token(token));
        match timeout_at(wait.deadline, attempt).await {
            Ok(Ok(connection)) => {
                // Its server has just begun to answer.
                drop(connection);
                let acquired = timeout_at(wait.deadline, self.open_or_reuse(wait)).await;
                acquired.unwrap_or_else(|_| Err(self.timed_out(wait.limit, false)))
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.timed_out(wait.limit, false)),
        }
    }

    async fn open_or_reuse(&self, wait: Wait) -> Result<sqlx::pool::PoolConnection<DB>, Error> {
        let opens = || self.pool.num_idle() == 0 && self.pool.size() < self.limits.max_connections;
        if opens() {
            self.rate_limiter.acquire(opens).await;
        }
        self.pool.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => self.timed_out(wait.limit, false),
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
