//! The state that a pool, its connections and its maintenance tasks share. Installs tokens in sqlx's connect
//! options, and removes expired ones.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rds_iam_token::{ErrorKind, MintError, Token, TokenSource};
use sqlx::pool::PoolConnection;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::connect::Target;
use crate::credential::Credential;
use crate::engine::Engine;
use crate::error::{Error, Subject, classify};
use crate::health::{Health, pool_options};
use crate::idle::{IdleConnection, IdleConnections};
use crate::limits::Limits;
use crate::rate_limit::RateLimiter;

/// The credential before the first token, and after an expired one: a connection is only opened with a token.
const NO_CREDENTIAL: Credential<'_> = Credential::Password("");

pub(crate) struct State<DB: Engine> {
    pub(crate) pool: sqlx::Pool<DB>,
    pub(crate) tokens: TokenSource,
    pub(crate) target: Target,
    pub(crate) limits: Limits,
    /// The token in sqlx's connect options.
    installed: Mutex<Option<Token>>,
    pub(crate) rate_limiter: RateLimiter,
    /// One permit per connection. A holder can take an idle connection or open one through sqlx.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) idle: IdleConnections<DB>,
    pub(crate) health: Arc<Health>,
}

impl<DB: Engine> State<DB> {
    /// # Panics
    /// Outside a Tokio runtime.
    pub(crate) fn new(tokens: TokenSource, target: Target, limits: Limits) -> Arc<Self> {
        Arc::new_cyclic(|state: &Weak<Self>| Self::of(state.clone(), tokens, target, limits))
    }

    fn of(state: Weak<Self>, tokens: TokenSource, target: Target, limits: Limits) -> Self {
        let health = Arc::new(Health::new());
        let pool = state.clone();
        let has_room = move || pool.upgrade().is_none_or(|state| state.has_idle_room());
        let leave_reader = move || {
            if let Some(state) = state.upgrade() {
                state.leave_reader();
            }
        };
        let options = target.options::<DB>(&tokens.login().user, &NO_CREDENTIAL, limits.statement_cache);
        let pool = pool_options(&limits, &health, has_room, leave_reader).connect_lazy_with(options);
        Self {
            rate_limiter: RateLimiter::new(limits.connects_per_second, limits.max_connections),
            permits: Arc::new(Semaphore::new(limits.max_connections as usize)),
            idle: IdleConnections::new(),
            pool,
            tokens,
            target,
            limits,
            installed: Mutex::new(None),
            health,
        }
    }

    /// Keeps a returned connection for the next caller, or gives it back for sqlx: a second after sqlx lent it, so that
    /// sqlx tests it and lets it retire; if another connection has failed since; if its server was left; if enough
    /// are idle, so that sqlx closes it; and if the pool is closed.
    pub(crate) fn keep_idle(
        &self,
        connection: PoolConnection<DB>,
        acquired_at: Instant,
    ) -> Option<PoolConnection<DB>> {
        let since = acquired_at.elapsed();
        if self.health.needs_test(since) || self.health.is_left(since) {
            return Some(connection);
        }
        let most = (self.limits.max_idle() as usize).saturating_sub(self.pool.num_idle());
        self.idle.push(IdleConnection { connection, acquired_at, released_at: Instant::now() }, most)
    }

    fn has_idle_room(&self) -> bool {
        self.idle_count() < self.limits.max_idle()
    }

    /// Returns the number of connections that are open and not in use.
    pub(crate) fn idle_count(&self) -> u32 {
        u32::try_from(self.pool.num_idle() + self.idle.len()).unwrap_or(u32::MAX)
    }

    /// Ensures that sqlx's connect options hold a token that is valid now.
    pub(crate) async fn install_token(&self) -> Result<Token, MintError> {
        let token = self.tokens.token().await?;
        self.set_token(&token);
        Ok(token)
    }

    pub(crate) async fn install_token_by(&self, deadline: Instant) -> Result<Token, Error> {
        let installed = timeout_at(deadline, self.install_token()).await;
        let installed = installed.unwrap_or(Err(MintError::TimedOut));
        installed.map_err(|source| self.count_failure(Error::token(source, self.subject())))
    }

    /// Removes an expired token from sqlx's connect options, so that code that uses sqlx's pool directly can't send
    /// it. Returns the remaining life of the installed token.
    pub(crate) fn remove_expired_token(&self) -> Option<Duration> {
        let mut installed = self.lock_installed();
        let left = installed.as_ref()?.remaining(self.tokens.clock().now());
        if left.is_zero() {
            self.set_credential(&NO_CREDENTIAL);
            *installed = None;
            return None;
        }
        Some(left)
    }

    /// Returns the installed token if it has not expired.
    pub(crate) fn valid_token(&self) -> Option<Token> {
        let token = self.lock_installed().clone()?;
        (!token.remaining(self.tokens.clock().now()).is_zero()).then_some(token)
    }

    pub(crate) fn set_token(&self, token: &Token) {
        let mut installed = self.lock_installed();
        let is_new = !installed.as_ref().is_some_and(|t| t.is_same(token));
        if is_new || self.target.is_unusable() {
            self.set_credential(&Credential::Token(token));
        }
        if is_new {
            *installed = Some(token.clone());
            self.health.token_used.store(false, Relaxed);
        }
    }

    fn set_credential(&self, credential: &Credential<'_>) {
        let user = &self.tokens.login().user;
        self.pool.set_connect_options(self.target.options::<DB>(
            user,
            credential,
            self.limits.statement_cache,
        ));
    }

    fn lock_installed(&self) -> MutexGuard<'_, Option<Token>> {
        self.installed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn subject(&self) -> Subject {
        self.target.subject(&self.tokens.login().user)
    }

    /// Notices the error of a statement: counts it, and has connections tested or left, as it suggests. Errors of
    /// acquiring a connection were noticed where they arose.
    pub(crate) fn notice(&self, error: &sqlx::Error) {
        if matches!(error, sqlx::Error::Io(io) if classify::of_pool(io).is_some()) {
            return;
        }
        let kind = classify::kind(error);
        self.health.counters.count_failure(kind);
        match kind {
            // PostgreSQL also refuses a write in a transaction that the caller made read-only.
            ErrorKind::ReadOnly if !DB::REFUSED_WRITE_IS_PROOF => self.health.doubt(),
            ErrorKind::ReadOnly => self.leave_reader(),
            ErrorKind::Unreachable => self.health.suspect(),
            _ => {}
        }
    }

    pub(crate) fn count_failure(&self, error: Error) -> Error {
        self.health.counters.count_failure(error.kind());
        error
    }

    /// Returns the error of a wait for a connection. `saturated`: no permit became available, as opposed to a server
    /// that does not answer.
    pub(crate) fn timed_out(&self, waited: Duration, saturated: bool) -> Error {
        Error::TimedOut {
            subject: self.subject().into(),
            waited,
            in_use: self.pool.size().saturating_sub(self.idle_count()),
            max: self.limits.max_connections,
            saturated,
        }
    }
}
