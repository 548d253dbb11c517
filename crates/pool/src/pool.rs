//! The pool: sqlx's, with a valid token in its options at every moment.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rds_iam_token::{MintError, Token, TokenSource};
use sqlx::Connection as _;
use sqlx::mysql::{MySql, MySqlPool, MySqlPoolOptions};
use sqlx::pool::PoolConnection;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::connect::{Secret, Target};
use crate::connection::{Connection, give_back};
use crate::error::{Subject, silent};
use crate::pace::{Pace, retires};
use crate::spares::{Spare, Spares};
use crate::stats::Counters;
use crate::upkeep::{keep_fresh, keep_warm};
use crate::{Limits, PoolError, Remedy, Stats};

/// A connection unused for longer than this is pinged before it is handed out: 1 second, so that a
/// busy pool never pays for a ping and a quiet one never hands out a dead connection.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How long that ping may take: 1 second. In one region an answer takes a few milliseconds.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

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
    target: Target,
    limits: Limits,
    /// The token in the pool's options.
    installed: Mutex<Option<Token>>,
    pace: Pace,
    /// One for each connection that may be open. Whoever has one finds a spare, or a place in sqlx's pool.
    places: Arc<Semaphore>,
    spares: Spares,
    pub(crate) health: Arc<Health>,
}

/// What the driver's callbacks and the pool both know.
#[derive(Debug)]
pub(crate) struct Health {
    started: Instant,
    /// When a connection was last seen to fail, in microseconds after `started`; older idle ones are
    /// suspect.
    failed_at: AtomicU64,
    retired_at: AtomicU64,
    /// Whether the installed token has served a login already.
    token_used: AtomicBool,
    pub(crate) look_now: Notify,
    counters: Counters,
}

impl Pool {
    /// Opens a pool and one connection, so that a wrong setting shows at once.
    ///
    /// # Errors
    /// [`PoolError`] of that connection.
    pub async fn connect(tokens: TokenSource, target: Target, limits: Limits) -> Result<Self, PoolError> {
        let pool = Self::lazy(tokens, target, limits);
        drop(pool.acquire().await?);
        Ok(pool)
    }

    /// Opens a pool without waiting for a connection: they are opened in the background and on
    /// demand.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn lazy(tokens: TokenSource, target: Target, limits: Limits) -> Self {
        let health = Arc::new(Health {
            started: Instant::now(),
            failed_at: AtomicU64::new(0),
            retired_at: AtomicU64::new(0),
            token_used: AtomicBool::new(false),
            look_now: Notify::new(),
            counters: Counters::default(),
        });
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
        Self { inner }
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

    /// Takes note of a failed statement and says what can be done. After a broken connection, every
    /// connection that was idle before is tested before it is used again.
    #[must_use]
    pub fn report(&self, error: sqlx::Error) -> PoolError {
        let error = PoolError::statement(error);
        self.inner.health.counters.failed(error.remedy());
        if error.remedy() == Remedy::Reconnect {
            self.inner.health.suspect();
        }
        error
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
    async fn acquire(self: &Arc<Self>) -> Result<Connection, PoolError> {
        let deadline = Instant::now() + self.limits.acquire_timeout;
        let place = timeout_at(deadline, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Err(self.failed(self.timed_out(true))) };
        let lend = |loan, borrowed| Connection::new(loan, borrowed, place, Arc::downgrade(self));
        while let Some(Spare { loan, borrowed, finished }) = self.spares.pop() {
            if !self.health.needs_test(finished.elapsed()) {
                return Ok(lend(loan, borrowed));
            }
            give_back(loan, None);
        }
        self.borrow(deadline).await.map(|loan| lend(loan, Instant::now()))
    }

    /// Keeps a connection that has just finished for the next caller. Once a second it goes back through
    /// sqlx all the same, which tests it and lets it retire.
    pub(crate) fn spare(
        &self,
        loan: PoolConnection<MySql>,
        borrowed: Instant,
    ) -> Option<PoolConnection<MySql>> {
        if borrowed.elapsed() >= TRUSTED_IDLE {
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
            // Sessions outlive their tokens: an idle one serves without any. But should it prove dead,
            // sqlx opens another, so a token that has ended is replaced first, if that can be had soon.
            let token = match self.installed().filter(|t| self.pool.num_idle() > 0 && self.lives(t)) {
                Some(token) => Some(token),
                None if self.pool.num_idle() > 0 => {
                    timeout(TOKEN_PATIENCE, self.install()).await.ok().and_then(Result::ok)
                }
                None => {
                    let installed = timeout_at(deadline, self.install()).await;
                    let installed = installed.unwrap_or(Err(MintError::TimedOut));
                    Some(installed.map_err(|source| self.failed(PoolError::token(source, &self.subject())))?)
                }
            };
            let error = match self.borrow_once(deadline).await {
                Ok(connection) => return Ok(connection),
                Err(error) => self.failed(error),
            };
            match (error.remedy(), token) {
                (Remedy::Permit, Some(token))
                    if !reminted && is_login_refusal(&error) && self.is_cached(&token) =>
                {
                    reminted = true;
                    self.health.counters.remints_after_refusal.fetch_add(1, Relaxed);
                    tracing::info!(user = %self.tokens.login().user, "the server refused a cached IAM token; signing a new one");
                    let replaced = timeout_at(deadline, self.tokens.replace(&token)).await;
                    match replaced.unwrap_or(Err(MintError::TimedOut)) {
                        Ok(token) => self.put(&token),
                        Err(source) => return Err(self.failed(PoolError::token(source, &self.subject()))),
                    }
                }
                (Remedy::BackOff, _) if error.number().is_some() && Instant::now() + pause < deadline => {
                    tokio::time::sleep(pause.mul_f64(fastrand::f64())).await;
                    pause *= 2;
                }
                _ => return Err(error),
            }
        }
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

    fn is_cached(&self, token: &Token) -> bool {
        token.age(self.tokens.clock().now()) > FRESH
    }

    fn subject(&self) -> Subject {
        self.target.subject(&self.tokens.login().user)
    }

    fn failed(&self, error: PoolError) -> PoolError {
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

impl Health {
    fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// From now on, connections that have been idle since before now are tested before use.
    fn suspect(&self) {
        self.failed_at.store(self.micros(), Relaxed);
        self.look_now.notify_one();
    }

    /// Whether a connection that was `idle` for so long is to be tested before use.
    fn needs_test(&self, idle: Duration) -> bool {
        let since = u64::try_from(idle.as_micros()).unwrap_or(u64::MAX);
        idle > TRUSTED_IDLE || self.micros().saturating_sub(since) <= self.failed_at.load(Relaxed)
    }

    fn retire(&self, age: Duration, limits: &Limits) -> bool {
        let (now, last) = (self.micros(), self.retired_at.load(Relaxed));
        let since_last = Duration::from_micros(now.saturating_sub(last));
        retires(age, since_last, limits.max_lifetime, limits.max_connections)
            && self.retired_at.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }
}

fn pool_options(limits: &Limits, health: &Arc<Health>) -> MySqlPoolOptions {
    let (connected, acquired, released) = (Arc::clone(health), Arc::clone(health), Arc::clone(health));
    let retiring = limits.clone();
    MySqlPoolOptions::new()
        .max_connections(limits.max_connections)
        .acquire_timeout(limits.acquire_timeout)
        .max_lifetime(limits.max_lifetime)
        .idle_timeout(limits.idle_timeout)
        .test_before_acquire(false)
        .after_connect(move |_, _| {
            connected.counters.connects.fetch_add(1, Relaxed);
            if connected.token_used.swap(true, Relaxed) {
                connected.counters.cached_token_connects.fetch_add(1, Relaxed);
            }
            Box::pin(async { Ok(()) })
        })
        .before_acquire(move |connection, meta| {
            let health = Arc::clone(&acquired);
            Box::pin(async move {
                if health.needs_test(meta.idle_for) {
                    let pong = timeout(PING_TIMEOUT, connection.ping()).await;
                    pong.unwrap_or_else(|_| Err(silent(PING_TIMEOUT))).inspect_err(|_| health.suspect())?;
                }
                Ok(true)
            })
        })
        .after_release(move |_, meta| {
            let keep = !released.retire(meta.age, &retiring);
            Box::pin(async move { Ok(keep) })
        })
}

/// 1045: the login itself was refused, as opposed to a database or a table.
fn is_login_refusal(error: &PoolError) -> bool {
    matches!(error, PoolError::Connect { .. }) && error.number() == Some(1045)
}
