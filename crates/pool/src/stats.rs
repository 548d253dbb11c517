//! Statistics of a pool, for metrics: counters since its creation, failures by cause, and its current state.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use rds_iam_token::TokenStats;

use crate::Remedy;

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
    /// them. Set by a reported statement that a read-only server refused (1290, 1836) or by
    /// [`Pool::is_read_only`](crate::Pool::is_read_only). The pool checks every 5 s whether it still applies.
    pub read_only_since: Option<SystemTime>,
    /// The counters of the token source.
    pub tokens: TokenStats,
}

/// Failures to connect and of statements, by [`Remedy`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failures {
    /// [`Remedy::Permit`]
    pub denied: u64,
    /// [`Remedy::BackOff`]
    pub throttled: u64,
    /// [`Remedy::Reconnect`]
    pub unreachable: u64,
    /// [`Remedy::Trust`]
    pub tls: u64,
    /// [`Remedy::Configure`]
    pub configuration: u64,
    /// [`Remedy::Credentials`]
    pub credentials: u64,
    /// [`Remedy::Report`]
    pub other: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connects: AtomicU64,
    pub(crate) cached_token_connects: AtomicU64,
    pub(crate) remints_after_refusal: AtomicU64,
    failures: [AtomicU64; 7],
}

impl Counters {
    pub(crate) fn count_failure(&self, remedy: Remedy) {
        self.failures[index(remedy)].fetch_add(1, Relaxed);
    }

    pub(crate) fn failures(&self) -> Failures {
        let count = |remedy| self.failures[index(remedy)].load(Relaxed);
        Failures {
            denied: count(Remedy::Permit),
            throttled: count(Remedy::BackOff),
            unreachable: count(Remedy::Reconnect),
            tls: count(Remedy::Trust),
            configuration: count(Remedy::Configure),
            credentials: count(Remedy::Credentials),
            other: count(Remedy::Report),
        }
    }
}

fn index(remedy: Remedy) -> usize {
    match remedy {
        Remedy::Permit => 0,
        Remedy::BackOff => 1,
        Remedy::Reconnect => 2,
        Remedy::Trust => 3,
        Remedy::Configure => 4,
        Remedy::Report => 5,
        Remedy::Credentials => 6,
    }
}
