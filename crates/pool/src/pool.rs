//! The pool: sqlx's, with a valid token in its options at every moment.

use std::fmt;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rds_iam_token::{MintError, Token, TokenSource};
use sqlx::Connection as _;
use sqlx::mysql::{MySql, MySqlPool};
use sqlx::pool::PoolConnection;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use crate::connect::{Secret, Target};
use crate::connection::{Connection, give_back};
use crate::error::Subject;
use crate::health::{Health, PING_TIMEOUT, TRUSTED_IDLE, pool_options};
use crate::pace::Pace;
use crate::spares::{Spare, Spares};
use crate::upkeep::{keep_fresh, keep_warm};
use crate::{Limits, PoolError, Remedy, Stats};

/// How long it may take to get an idle connection, its test included, before another is tried: 2 seconds,
/// so that a wait of the default 5 s has time for a new one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// The first wait after the server limits us: 100 ms; it doubles, with full jitter.
const THROTTLED: Duration = Duration::from_millis(100);

/// How long a caller waits for a token that it will probably not need: half a second.
const TOKEN_PATIENCE: Duration = Duration::from_millis(500);

/// A refused token older than this is worth replacing: 1 second. A younger one was signed for this login,
/// and would come out the same, for a token's time is in whole seconds.
const FRESH: Duration = Duration::from_secs(1);

/// A pool of connections that stays authenticated. Clones share it; the last one closes it.
///
/// [`acquire`](Self::acquire) is the way in: it handles refused tokens, throttling and pacing. The
/// [`sqlx`](Self::sqlx) pool within can be handed to code that wants one; its new connections have
/// valid tokens too, but not the rest.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) pool: MySqlPool,
    pub(crate) tokens: TokenSource,
    pub(crate) target: Target,
    limits: Limits,
    /// The token in the pool's options.
    installed: Mutex<Option<Token>>,
    pace: Pace,
    /// One for each connection that may be open. Whoever has one finds a spare, or a place in sqlx's pool.
    places: Arc<Semaphore>,
    pub(crate) spares: Spares,
    pub(crate) health: Arc<Health>,
}

impl Pool {
    /// Opens a pool and one connection, so that a wrong setting shows at once.
    ///
    /// # Errors
    /// [`PoolError`] of that connection, or of the limits.
    pub async fn connect(tokens: TokenSource, target: Target, limits: Limits) -> Result<Self, PoolError> {
        let pool = Self::lazy(tokens, target, limits)?;
        drop(pool.acquire().await?);
        Ok(pool)
    }

    /// Opens a pool without waiting for a connection: they are opened in the background and on
    /// demand.
    ///
    /// # Errors
    /// [`PoolError::Limits`] where the limits leave no working pool: see [`Limits::validate`].
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn lazy(tokens: TokenSource, target: Target, limits: Limits) -> Result<Self, PoolError> {
        limits.validate()?;
        let health = Arc::new(Health::new());
        // No secret yet: a connection is only opened after a token has been installed.
        let pool = pool_options(&limits, &health)
            .connect_lazy_with(target.options(&tokens.login().user, &Secret::Password("")));
        let inner = Arc::new(Inner {
            pace: Pace::new(limits.connects_per_second, limits.max_connections),
            places: Arc::new(Semaphore::new(limits.max_connections as usize)),
            spares: Spares::new(),
            pool,
            tokens,
            target,
            limits,
            installed: Mutex::new(None),
            health,
        });
        tokio::spawn(keep_fresh(Arc::downgrade(&inner)));
        tokio::spawn(keep_warm(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// A connection, idle or new.
    ///
    /// A new one logs in with a token that is valid now. If the server refuses a token that came from
    /// the cache, one new token is tried; if it limits logins, the same token is tried again after a
    /// pause; both within the acquire timeout.
    ///
    /// # Errors
    /// [`PoolError`]; its [`remedy`](PoolError::remedy) says what to do.
    pub async fn acquire(&self) -> Result<Connection, PoolError> {
        self.inner.acquire().await
    }

    /// sqlx's own pool, for code that wants one. It may have to wait up to 5 s for a connection that
    /// [`Connection::finished`] has kept for callers of [`acquire`](Self::acquire).
    #[must_use]
    pub fn sqlx(&self) -> &MySqlPool {
        &self.inner.pool
    }

    /// Takes note of a failed statement and says what can be done.
    ///
    /// After a broken connection, every connection that was idle before is tested before it is used again.
    /// After a refused write (1290 or 1836: the server has become a reader), every connection made before is
    /// discarded, at most once in 5 s: idle ones at once, ones in use when they come back. So the pool
    /// follows its endpoint to the new writer. Until it has found one, [`Stats::read_only_since`] is set.
    #[must_use]
    pub fn report(&self, error: sqlx::Error) -> PoolError {
        let error = PoolError::statement(error);
        self.inner.health.counters.failed(error.remedy());
        if error.is_refused_write() {
            self.inner.refuses_writes();
            if self.inner.health.leave_in_turn() {
                self.inner.leave_server();
            }
        } else if error.remedy() == Remedy::Reconnect {
            self.inner.health.suspect();
        }
        error
    }

    /// Asks the server, over a connection of the pool, whether it refuses writes. For readiness probes of
    /// services that write: a reader answers pings and reads. Where it does, the pool looks for the writer by
    /// itself from then on, as after a refused write ([`report`](Self::report)).
    ///
    /// # Errors
    /// [`PoolError`] where there is no connection or no answer.
    pub async fn is_read_only(&self) -> Result<bool, PoolError> {
        self.inner.is_read_only().await
    }

    /// What the pool has done, and its state now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Inner { pool, tokens, limits, health, .. } = &*self.inner;
        let counters = &health.counters;
        Stats {
            size: pool.size(),
            idle: self.inner.idle(),
            max: limits.max_connections,
            connects: counters.connects.load(Relaxed),
            cached_token_connects: counters.cached_token_connects.load(Relaxed),
            remints_after_refusal: counters.remints_after_refusal.load(Relaxed),
            failures: counters.failures(),
            read_only_since: *health.read_only_since(),
            tokens: tokens.stats(),
        }
    }

    /// Refuses new work, waits for connections in use to come back, and closes all.
    pub async fn close(&self) {
        self.inner.spares.close();
        self.inner.pool.close().await;
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // sqlx's pool prints its connect options, password included.
        f.debug_struct("Pool")
            .field("target", &self.inner.target)
            .field("limits", &self.inner.limits)
            .finish_non_exhaustive()
    }
}

impl Inner {
    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<Connection, PoolError> {
        let deadline = Instant::now() + self.limits.acquire_timeout;
        let place = timeout_at(deadline, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Err(self.failed(self.timed_out(true))) };
        let lend = |loan, borrowed| Connection::new(loan, borrowed, place, Arc::downgrade(self));
        while let Some(Spare { loan, borrowed, finished }) = self.spares.pop() {
            if !self.health.needs_test(finished.elapsed()) && !self.health.is_left(borrowed.elapsed()) {
                return Ok(lend(loan, borrowed));
            }
            give_back(loan, None);
        }
        self.borrow(deadline).await.map(|loan| lend(loan, Instant::now()))
    }

    /// Keeps a connection that has just finished for the next caller. Once a second it goes back through
    /// sqlx all the same, which tests it and lets it retire, as it does with one of a server that was left.
    pub(crate) fn spare(
        &self,
        loan: PoolConnection<MySql>,
        borrowed: Instant,
    ) -> Option<PoolConnection<MySql>> {
        if borrowed.elapsed() >= TRUSTED_IDLE || self.health.is_left(borrowed.elapsed()) {
            return Some(loan);
        }
        self.spares.push(Spare { loan, borrowed, finished: Instant::now() });
        None
    }

    fn idle(&self) -> u32 {
        u32::try_from(self.pool.num_idle() + self.spares.len()).unwrap_or(u32::MAX)
    }

    /// A connection out of sqlx's hands.
    async fn borrow(&self, deadline: Instant) -> Result<PoolConnection<MySql>, PoolError> {
        let mut reminted = false;
        let mut pause = THROTTLED;
        loop {
            let token = match self.installed().filter(|t| self.pool.num_idle() > 0 && self.lives(t)) {
                Some(token) => token,
                None if self.pool.num_idle() > 0 => {
                    match timeout(TOKEN_PATIENCE, self.install()).await {
                        Ok(Ok(token)) => token,
                        // Sessions outlive their tokens: an idle one serves without any. Should none do, a
                        // new one is not opened with a token that has ended.
                        _ => match self.idle_session().await {
                            Some(session) => return Ok(session),
                            None => self.install_by(deadline).await?,
                        },
                    }
                }
                None => self.install_by(deadline).await?,
            };
            let error = match self.borrow_once(deadline).await {
                Ok(connection) => return Ok(connection),
                Err(error) => self.failed(error),
            };
            match error.remedy() {
                Remedy::Permit if !reminted && is_login_refusal(&error) && self.is_cached(&token) => {
                    reminted = true;
                    self.health.counters.remints_after_refusal.fetch_add(1, Relaxed);
                    tracing::info!(user = %self.tokens.login().user, "the server refused a cached IAM token; signing a new one");
                    let replaced = timeout_at(deadline, self.tokens.replace(&token)).await;
                    match replaced.unwrap_or(Err(MintError::TimedOut)) {
                        Ok(token) => self.put(&token),
                        Err(source) => return Err(self.failed(PoolError::token(source, &self.subject()))),
                    }
                }
                _ if passes_soon(&error) && Instant::now() + pause < deadline => {
                    tokio::time::sleep(pause.mul_f64(fastrand::f64())).await;
                    pause *= 2;
                }
                _ => return Err(error),
            }
        }
    }

    /// An idle connection that answers. None is opened.
    async fn idle_session(&self) -> Option<PoolConnection<MySql>> {
        while let Some(mut session) = self.pool.try_acquire() {
            match timeout(PING_TIMEOUT, session.ping()).await {
                Ok(Ok(())) => return Some(session),
                _ => drop(session.detach()),
            }
        }
        None
    }

    /// One connection, or the reason why none could be had by `deadline`.
    async fn borrow_once(&self, deadline: Instant) -> Result<PoolConnection<MySql>, PoolError> {
        loop {
            // sqlx waits for a silent connection to be closed, without end. Giving up drops it.
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

    async fn open_or_reuse(&self) -> Result<PoolConnection<MySql>, PoolError> {
        let opens = || self.pool.num_idle() == 0 && self.pool.size() < self.limits.max_connections;
        if opens() {
            self.pace.turn(opens).await;
        }
        self.pool.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => self.timed_out(false),
            error => self.target.failed(error, &self.tokens.login().user),
        })
    }

    /// Makes sure that the pool's options hold a token that is valid now.
    pub(crate) async fn install(&self) -> Result<Token, MintError> {
        let token = self.tokens.token().await?;
        self.put(&token);
        Ok(token)
    }

    async fn install_by(&self, deadline: Instant) -> Result<Token, PoolError> {
        let installed = timeout_at(deadline, self.install()).await;
        let installed = installed.unwrap_or(Err(MintError::TimedOut));
        installed.map_err(|source| self.failed(PoolError::token(source, &self.subject())))
    }

    /// Takes a token that has ended out of the pool's options, so that code which uses sqlx's pool itself
    /// can't send it. Returns how long the installed token lives from now on.
    pub(crate) fn withdraw_ended(&self) -> Option<Duration> {
        let mut installed = self.installed.lock().unwrap_or_else(PoisonError::into_inner);
        let left = installed.as_ref()?.remaining(self.tokens.clock().now());
        if left.is_zero() {
            self.pool
                .set_connect_options(self.target.options(&self.tokens.login().user, &Secret::Password("")));
            *installed = None;
            return None;
        }
        Some(left)
    }

    fn installed(&self) -> Option<Token> {
        self.installed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, token: &Token) {
        let mut installed = self.installed.lock().unwrap_or_else(PoisonError::into_inner);
        if !installed.as_ref().is_some_and(|t| t.is_same(token)) {
            self.pool
                .set_connect_options(self.target.options(&self.tokens.login().user, &Secret::Token(token)));
            *installed = Some(token.clone());
            self.health.token_used.store(false, Relaxed);
        }
    }

    fn lives(&self, token: &Token) -> bool {
        !token.remaining(self.tokens.clock().now()).is_zero()
    }

    /// Whether a token was signed before this login. One from the future was, before the clock was set back.
    fn is_cached(&self, token: &Token) -> bool {
        let now = self.tokens.clock().now();
        token.age(now) > FRESH || token.signed_at() > now
    }

    pub(crate) fn subject(&self) -> Subject {
        self.target.subject(&self.tokens.login().user)
    }

    pub(crate) fn failed(&self, error: PoolError) -> PoolError {
        self.health.counters.failed(error.remedy());
        error
    }

    /// `saturated`: no place came free, as opposed to a server that does not answer.
    fn timed_out(&self, saturated: bool) -> PoolError {
        PoolError::TimedOut {
            subject: self.subject().to_string(),
            waited: self.limits.acquire_timeout,
            in_use: self.pool.size().saturating_sub(self.idle()),
            max: self.limits.max_connections,
            saturated,
        }
    }

    /// Borrows as many connections as should be warm, which tests the idle and opens the missing.
    pub(crate) async fn warm_up(self: &Arc<Self>) -> Result<(), PoolError> {
        if let Some(before) = Instant::now().checked_sub(TRUSTED_IDLE) {
            self.spares.give_back_idle(before);
        }
        let wanted = self.places.available_permits().min(self.limits.warm_connections as usize);
        let mut borrowed = Vec::new();
        for _ in 0..wanted {
            borrowed.push(self.acquire().await?);
        }
        Ok(())
    }
}

/// Whether another attempt is worthwhile within the caller's time: the server limits logins, or nothing listens
/// while it restarts.
fn passes_soon(error: &PoolError) -> bool {
    match error {
        PoolError::Connect { source: sqlx::Error::Io(error), .. } => {
            error.kind() == io::ErrorKind::ConnectionRefused
        }
        error => error.remedy() == Remedy::BackOff && error.number().is_some(),
    }
}

/// 1045: the login itself was refused, as opposed to a database or a table.
fn is_login_refusal(error: &PoolError) -> bool {
    matches!(error, PoolError::Connect { .. }) && error.number() == Some(1045)
}
