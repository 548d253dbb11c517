//! Counts, for tests of leaks and of faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The counts of an emulator, since its start or of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The sessions that were started.
    pub sessions: u64,
    /// The agents that run now: sessions that a client has opened, and that have not ended.
    pub agents: u64,
    /// The data channels that are open now.
    pub channels: u64,
    /// The data channels that were opened with a valid token.
    pub opened: u64,
    /// The data channels that were refused.
    pub refused: u64,
    /// The data channels that a fault or their lifetime closed.
    pub closed: u64,
    /// The messages that clients and agents have sent, with those that a fault has lost.
    pub messages: u64,
    /// The messages that a fault has lost.
    pub lost: u64,
    /// The messages that a fault has repeated.
    pub repeated: u64,
    /// The messages that an agent has sent again.
    pub resent: u64,
    /// The messages from clients that an agent had processed before.
    pub duplicates: u64,
    /// The connections to targets that are open now.
    pub streams: u64,
    /// The connections to targets that were opened.
    pub dialled: u64,
    /// The connections to targets that could not be opened.
    pub failed: u64,
}

/// The counts behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sessions: AtomicU64,
    pub(crate) agents: Arc<AtomicU64>,
    pub(crate) channels: Arc<AtomicU64>,
    pub(crate) opened: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) closed: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) resent: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) streams: Arc<AtomicU64>,
    pub(crate) dialled: AtomicU64,
    pub(crate) failed: AtomicU64,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            sessions: self.sessions.load(Relaxed),
            agents: self.agents.load(Relaxed),
            channels: self.channels.load(Relaxed),
            opened: self.opened.load(Relaxed),
            refused: self.refused.load(Relaxed),
            closed: self.closed.load(Relaxed),
            messages: self.messages.load(Relaxed),
            lost: self.lost.load(Relaxed),
            repeated: self.repeated.load(Relaxed),
            resent: self.resent.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            streams: self.streams.load(Relaxed),
            dialled: self.dialled.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }
}

/// Counts one more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// One of a count, as long as it exists.
#[derive(Debug)]
pub(crate) struct Counted(Arc<AtomicU64>);

impl Counted {
    pub(crate) fn new(counter: &Arc<AtomicU64>) -> Self {
        count(counter);
        Self(Arc::clone(counter))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
