//! Decides which connections of a pool to test before use, to retire, or to discard because their server
//! refuses writes, and builds the sqlx pool options whose callbacks apply these decisions.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use sqlx::Connection as _;
use sqlx::pool::PoolOptions;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::engine::Engine;
use crate::error::timed_out_error;
use crate::limits::Limits;
use crate::refusal::Refusals;
use crate::stats::Counters;

/// The idle time after which a connection is pinged before reuse: 1 second, so that a busy pool never pays for a
/// ping and a quiet one never returns a dead connection.
pub(crate) const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// The time limit of that ping: 1 second. In one region an answer takes a few milliseconds.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// The shortest time between two departures from a server that refuses writes: 5 seconds, in which DNS follows a
/// failover, and which limits the logins to a server that stays read-only.
const READ_ONLY_INTERVAL: Duration = Duration::from_secs(5);

/// The time after a refused write in which connections that are returned are doubted, too: 1 second, in which the one whose
/// write was refused has answered.
const DOUBT: Duration = Duration::from_secs(1);

/// The state that the driver's callbacks and the pool share.
#[derive(Debug)]
pub(crate) struct Health {
    started: Instant,
    /// The time at which a connection last failed, in microseconds after `started`. Connections idle since before
    /// then are tested.
    failed_at: AtomicU64,
    retired_at: AtomicU64,
    /// Connections opened up to this time, in microseconds after `started`, are discarded: their server refuses
    /// writes. Zero for never.
    left_at: AtomicU64,
    /// The time of the last search for the writer, in microseconds after `started`. Zero for never.
    searched_at: AtomicU64,
    /// Connections that are idle since before this time, in the same unit, may be a reader's. Zero for never.
    doubted_until: AtomicU64,
    /// The time of the last notice that the server takes long to answer, in the same unit.
    announced_at: AtomicU64,
    /// The refused logins since the last one that succeeded.
    pub(crate) refusals: Refusals,
    /// The time since which the server has refused writes.
    read_only_since: Mutex<Option<SystemTime>>,
    /// True once a login has used the installed token.
    pub(crate) token_used: AtomicBool,
    /// Wakes the maintenance task.
    pub(crate) wake: Notify,
    pub(crate) counters: Counters,
}

impl Health {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            failed_at: AtomicU64::new(0),
            retired_at: AtomicU64::new(0),
            left_at: AtomicU64::new(0),
            searched_at: AtomicU64::new(0),
            doubted_until: AtomicU64::new(0),
            announced_at: AtomicU64::new(0),
            refusals: Refusals::default(),
            read_only_since: Mutex::new(None),
            token_used: AtomicBool::new(false),
            wake: Notify::new(),
            counters: Counters::default(),
        }
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Marks connections that are idle now as suspect: they are tested before use.
    pub(crate) fn suspect(&self) {
        self.failed_at.store(self.micros(), Relaxed);
        self.wake.notify_one();
    }

    /// Returns whether a connection that was `idle` for this time needs a test before use.
    pub(crate) fn needs_test(&self, idle: Duration) -> bool {
        let since = u64::try_from(idle.as_micros()).unwrap_or(u64::MAX);
        idle > TRUSTED_IDLE || self.micros().saturating_sub(since) <= self.failed_at.load(Relaxed)
    }

    /// Returns whether a connection of this `age` belongs to a server that was left.
    pub(crate) fn is_left(&self, age: Duration) -> bool {
        let age = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
        let left_at = self.left_at.load(Relaxed);
        left_at > 0 && self.micros().saturating_sub(age) <= left_at
    }

    /// Marks all connections that are open now as left.
    pub(crate) fn leave(&self) {
        // Zero means never.
        self.left_at.store(self.micros().max(1), Relaxed);
    }

    /// Like [`leave`](Self::leave), unless that was less than 5 s ago. Returns whether it was done.
    pub(crate) fn leave_unless_recent(&self) -> bool {
        self.update_unless_recent(&self.left_at)
    }

    /// Returns whether to search for the writer now: at most once in 5 s, because it takes a login.
    pub(crate) fn should_find_writer(&self) -> bool {
        self.update_unless_recent(&self.searched_at)
    }

    /// Marks connections that are idle now, or are returned within a second, as possibly a reader's: each is queried before it
    /// is used. The one whose write was refused is queried as soon as it is returned.
    pub(crate) fn doubt(&self) {
        let until = self.started.elapsed() + DOUBT;
        self.doubted_until.store(u64::try_from(until.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Returns whether a connection that was `idle` for this time may be a reader's.
    pub(crate) fn is_doubted(&self, idle: Duration) -> bool {
        let until = self.doubted_until.load(Relaxed);
        let since = u64::try_from(idle.as_micros()).unwrap_or(u64::MAX);
        until > 0 && self.micros().saturating_sub(since) <= until
    }

    /// Returns whether a caller may say that it waits for the server: one in 5 s.
    pub(crate) fn should_announce_wait(&self) -> bool {
        self.update_unless_recent(&self.announced_at)
    }

    fn update_unless_recent(&self, time: &AtomicU64) -> bool {
        let (now, last) = (self.micros().max(1), time.load(Relaxed));
        let recently = last > 0 && Duration::from_micros(now.saturating_sub(last)) < READ_ONLY_INTERVAL;
        !recently && time.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }

    pub(crate) fn read_only_since(&self) -> MutexGuard<'_, Option<SystemTime>> {
        self.read_only_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_retire(&self, age: Duration, limits: &Limits) -> bool {
        let (now, last) = (self.micros(), self.retired_at.load(Relaxed));
        let since_last = Duration::from_micros(now.saturating_sub(last));
        should_retire(age, since_last, limits.max_lifetime, limits.max_connections)
            && self.retired_at.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }
}

/// Returns whether a connection of this `age` should retire when it is returned, given the time since the last one
/// did. From four fifths of `lifetime` on, one at a time, so that connections opened together do not end together.
fn should_retire(age: Duration, since_last: Duration, lifetime: Duration, connections: u32) -> bool {
    age >= lifetime.mul_f64(0.8) && since_last >= lifetime.mul_f64(0.2) / connections.max(1)
}

/// Returns sqlx's options for a pool. `has_room` returns whether one more connection may stay idle; `leave_reader` leaves a server
/// that a connection reports to be a reader.
pub(crate) fn pool_options<DB: Engine>(
    limits: &Limits,
    health: &Arc<Health>,
    has_room: impl Fn() -> bool + Send + Sync + 'static,
    leave_reader: impl Fn() + Send + Sync + 'static,
) -> PoolOptions<DB> {
    let leave_reader = Arc::new(leave_reader);
    let (connected, acquired, released) = (Arc::clone(health), Arc::clone(health), Arc::clone(health));
    let retiring = limits.clone();
    PoolOptions::new()
        .max_connections(limits.max_connections)
        // The pool's own limits are shorter, or as long.
        .acquire_timeout(limits.acquire_timeout.max(limits.connect_timeout.unwrap_or_default()))
        .max_lifetime(limits.max_lifetime)
        .idle_timeout(limits.idle_timeout)
        .test_before_acquire(false)
        .after_connect(move |_, _| {
            connected.counters.connects.fetch_add(1, Relaxed);
            connected.refusals.forget();
            if connected.token_used.swap(true, Relaxed) {
                connected.counters.cached_token_connects.fetch_add(1, Relaxed);
            }
            Box::pin(async { Ok(()) })
        })
        .before_acquire(move |connection: &mut DB::Connection, meta| {
            let (health, leave_reader) = (Arc::clone(&acquired), Arc::clone(&leave_reader));
            Box::pin(async move {
                if health.is_left(meta.age) {
                    return Ok(false);
                }
                if health.is_doubted(meta.idle_for) {
                    let answer = timeout(PING_TIMEOUT, DB::is_read_only(connection)).await;
                    let answer = answer.unwrap_or_else(|_| Err(timed_out_error(PING_TIMEOUT)));
                    if answer.inspect_err(|_| health.suspect())? {
                        leave_reader();
                    }
                    // A reader that is the endpoint's server still serves reads.
                    return Ok(!health.is_left(meta.age));
                }
                if health.needs_test(meta.idle_for) {
                    let pong = timeout(PING_TIMEOUT, connection.ping()).await;
                    pong.unwrap_or_else(|_| Err(timed_out_error(PING_TIMEOUT)))
                        .inspect_err(|_| health.suspect())?;
                }
                Ok(true)
            })
        })
        .after_release(move |_, meta| {
            let keep = has_room() && !released.is_left(meta.age) && !released.try_retire(meta.age, &retiring);
            Box::pin(async move { Ok(keep) })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_retire_one_after_another() {
        let life = Duration::from_secs(1800);
        assert!(!should_retire(Duration::from_secs(1439), life, life, 10));
        assert!(should_retire(Duration::from_secs(1440), Duration::from_secs(36), life, 10));
        assert!(!should_retire(Duration::from_secs(1440), Duration::from_secs(35), life, 10));
    }
}
