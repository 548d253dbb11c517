//! Counts, and the reports about sessions that RDS Proxy would pin.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// The counts of a proxy, since its start or of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The clients whose session is open now.
    pub clients: u64,
    /// The connections to the database that are open now, idle ones included.
    pub connections: u64,
    /// The connections to the database that are idle now.
    pub idle: u64,
    /// The logins to the database.
    pub logins: u64,
    /// The sessions that got a connection that another one had used.
    pub reused: u64,
    /// The clients that waited for a connection until the borrow timeout.
    pub borrow_timeouts: u64,
    /// The sessions that RDS Proxy would have pinned to their connection, by the reason in its log.
    pub pinned: BTreeMap<&'static str, u64>,
}

/// The counts behind [`Stats`] that only ever grow.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) logins: AtomicU64,
    pub(crate) reused: AtomicU64,
    pub(crate) borrow_timeouts: AtomicU64,
    pinned: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counters {
    pub(crate) fn count_pinned(&self, reason: &'static str) {
        *self.pinned.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    pub(crate) fn snapshot(&self, clients: usize, connections: usize, idle: usize) -> Stats {
        Stats {
            clients: clients as u64,
            connections: connections as u64,
            idle: idle as u64,
            logins: self.logins.load(Relaxed),
            reused: self.reused.load(Relaxed),
            borrow_timeouts: self.borrow_timeouts.load(Relaxed),
            pinned: self.pinned.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
