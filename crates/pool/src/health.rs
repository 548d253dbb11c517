//! The state of a pool's connections, shared with the driver's callbacks: which are tested before use, which
//! retire, and which are left.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use sqlx::Connection as _;
use sqlx::mysql::MySqlPoolOptions;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::Limits;
use crate::error::silent;
use crate::pace::retires;
use crate::stats::Counters;

/// A connection unused for longer than this is pinged before it is handed out: 1 second, so that a
/// busy pool never pays for a ping and a quiet one never hands out a dead connection.
pub(crate) const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How long that ping may take: 1 second. In one region an answer takes a few milliseconds.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// How often at most a server is left because it refuses writes: once in 5 seconds, in which a failover's
/// new address gets around, and after which a server that stays read-only costs few logins.
const READ_ONLY_INTERVAL: Duration = Duration::from_secs(5);

/// What the driver's callbacks and the pool both know.
#[derive(Debug)]
pub(crate) struct Health {
    started: Instant,
    /// When a connection was last seen to fail, in microseconds after `started`; older idle ones are
    /// suspect.
    failed_at: AtomicU64,
    retired_at: AtomicU64,
    /// Connections made up to then, in microseconds after `started`, are discarded: their server refuses
    /// writes. Zero where none has.
    left_at: AtomicU64,
    /// When a server was last asked for being the writer, in microseconds after `started`. Zero for never.
    asked_at: AtomicU64,
    /// Since when the server has refused writes.
    read_only_since: Mutex<Option<SystemTime>>,
    /// Whether the installed token has served a login already.
    pub(crate) token_used: AtomicBool,
    pub(crate) look_now: Notify,
    pub(crate) counters: Counters,
}

impl Health {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            failed_at: AtomicU64::new(0),
            retired_at: AtomicU64::new(0),
            left_at: AtomicU64::new(0),
            asked_at: AtomicU64::new(0),
            read_only_since: Mutex::new(None),
            token_used: AtomicBool::new(false),
            look_now: Notify::new(),
            counters: Counters::default(),
        }
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// From now on, connections that have been idle since before now are tested before use.
    pub(crate) fn suspect(&self) {
        self.failed_at.store(self.micros(), Relaxed);
        self.look_now.notify_one();
    }

    /// Whether a connection that was `idle` for so long is to be tested before use.
    pub(crate) fn needs_test(&self, idle: Duration) -> bool {
        let since = u64::try_from(idle.as_micros()).unwrap_or(u64::MAX);
        idle > TRUSTED_IDLE || self.micros().saturating_sub(since) <= self.failed_at.load(Relaxed)
    }

    /// Whether a connection of that `age` belongs to a server that was left.
    pub(crate) fn is_left(&self, age: Duration) -> bool {
        let age = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
        let left_at = self.left_at.load(Relaxed);
        left_at > 0 && self.micros().saturating_sub(age) <= left_at
    }

    /// Marks all connections that there are now as left.
    pub(crate) fn leave(&self) {
        // Never zero, which stands for never.
        self.left_at.store(self.micros().max(1), Relaxed);
    }

    /// The same, unless it was done less than 5 s ago.
    pub(crate) fn leave_in_turn(&self) -> bool {
        self.in_turn(&self.left_at)
    }

    /// Whether the writer is to be looked for now: at most once in 5 s, for that takes a login.
    pub(crate) fn ask_in_turn(&self) -> bool {
        self.in_turn(&self.asked_at)
    }

    fn in_turn(&self, at: &AtomicU64) -> bool {
        let (now, last) = (self.micros().max(1), at.load(Relaxed));
        let recently = last > 0 && Duration::from_micros(now.saturating_sub(last)) < READ_ONLY_INTERVAL;
        !recently && at.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }

    pub(crate) fn read_only_since(&self) -> MutexGuard<'_, Option<SystemTime>> {
        self.read_only_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn retire(&self, age: Duration, limits: &Limits) -> bool {
        let (now, last) = (self.micros(), self.retired_at.load(Relaxed));
        let since_last = Duration::from_micros(now.saturating_sub(last));
        retires(age, since_last, limits.max_lifetime, limits.max_connections)
            && self.retired_at.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }
}

pub(crate) fn pool_options(limits: &Limits, health: &Arc<Health>) -> MySqlPoolOptions {
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
                if health.is_left(meta.age) {
                    return Ok(false);
                }
                if health.needs_test(meta.idle_for) {
                    let pong = timeout(PING_TIMEOUT, connection.ping()).await;
                    pong.unwrap_or_else(|_| Err(silent(PING_TIMEOUT))).inspect_err(|_| health.suspect())?;
                }
                Ok(true)
            })
        })
        .after_release(move |_, meta| {
            let keep = !released.is_left(meta.age) && !released.retire(meta.age, &retiring);
            Box::pin(async move { Ok(keep) })
        })
}
