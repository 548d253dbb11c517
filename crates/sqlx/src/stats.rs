//! Statistics of a pool, for metrics: counters since its creation, failures by cause, and its current state.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use rds_iam_token::{ErrorKind, TokenStats};

/// A pool's counters since its creation, and its state now.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Connections open or being opened.
    pub size: u32,
    /// Connections waiting to be used.
    pub idle: u32,
    /// The maximum number of open connections.
    pub max: u32,
    /// Logins that succeeded.
    pub connects: u64,
    /// Successful logins whose token had served a login before: cache hits.
    pub cached_token_connects: u64,
    /// Tokens signed because a server refused a cached one.
    pub remints_after_refusal: u64,
    /// Failures, by cause.
    pub failures: Failures,
    /// The time since which the server has refused writes, by the clock that signs tokens; `None` once it accepts
    /// them. Set by a statement that a read-only server refused (1290, 1836; PostgreSQL's 25006 once the pool has checked that
    /// the server is a reader) or by [`Pool::is_read_only`](crate::Pool::is_read_only). The pool checks every 5 s whether it still applies.
    pub read_only_since: Option<SystemTime>,
    /// The counters of the token source.
    pub tokens: TokenStats,
}

/// Failures to connect and of statements, by [`ErrorKind`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failures {
    /// [`ErrorKind::Configuration`]
    pub configuration: u64,
    /// [`ErrorKind::Denied`]
    pub denied: u64,
    /// [`ErrorKind::Throttled`]
    pub throttled: u64,
    /// [`ErrorKind::Unreachable`]
    pub unreachable: u64,
    /// [`ErrorKind::Tls`]
    pub tls: u64,
    /// [`ErrorKind::ReadOnly`]
    pub read_only: u64,
    /// [`ErrorKind::Credentials`]
    pub credentials: u64,
    /// [`ErrorKind::Other`]
    pub other: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connects: AtomicU64,
    pub(crate) cached_token_connects: AtomicU64,
    pub(crate) remints_after_refusal: AtomicU64,
    /// In the order of [`ErrorKind::ALL`].
    failures: [AtomicU64; ErrorKind::ALL.len()],
}

impl Counters {
    pub(crate) fn count_failure(&self, kind: ErrorKind) {
        let index = ErrorKind::ALL.iter().position(|known| *known == kind);
        if let Some(counter) = index.and_then(|index| self.failures.get(index)) {
            counter.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn failures(&self) -> Failures {
        let [configuration, denied, throttled, unreachable, tls, read_only, credentials, other] =
            self.failures.each_ref().map(|counter| counter.load(Relaxed));
        Failures { configuration, denied, throttled, unreachable, tls, read_only, credentials, other }
    }
}
