//! The connections to the database: at most so many, each borrowed for one session at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// The pool. A connection serves only sessions that were opened with an equal `K`.
pub(crate) struct Pool<K, C> {
    slots: Arc<Semaphore>,
    most: usize,
    most_idle: usize,
    /// The idle connections, the latest returned last.
    idle: Mutex<VecDeque<Borrowed<K, C>>>,
    returned: Arc<Notify>,
}

/// A connection, and its share of the limit.
pub(crate) struct Borrowed<K, C> {
    pub(crate) key: K,
    pub(crate) connection: C,
    slot: Slot,
}

/// The right to a connection. Dropping it tells one that waits.
pub(crate) struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    returned: Arc<Notify>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.returned.notify_one();
    }
}

/// A loan whose connection is in use elsewhere.
pub(crate) struct Loan<K> {
    key: K,
    slot: Slot,
}

impl<K, C> Borrowed<K, C> {
    /// Takes the connection out of the loan.
    pub(crate) fn split(self) -> (C, Loan<K>) {
        (self.connection, Loan { key: self.key, slot: self.slot })
    }
}

impl<K> Loan<K> {
    /// Puts the connection back.
    pub(crate) fn join<C>(self, connection: C) -> Borrowed<K, C> {
        Borrowed { key: self.key, connection, slot: self.slot }
    }
}

/// The right to open a connection, or an open one.
pub(crate) enum Granted<K, C> {
    Idle(Borrowed<K, C>),
    Slot(Slot),
}

impl<K: PartialEq, C> Pool<K, C> {
    pub(crate) fn new(most: usize, most_idle: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(most)),
            most,
            most_idle,
            idle: Mutex::default(),
            returned: Arc::new(Notify::new()),
        }
    }

    /// Returns an idle connection of `key` that `is_alive`, or else the right to open one, for which an idle connection
    /// of another key is closed if necessary. Returns `None` if there is neither before `deadline`.
    pub(crate) async fn grant(
        &self,
        key: &K,
        is_alive: impl Fn(&C) -> bool,
        deadline: Instant,
    ) -> Option<Granted<K, C>> {
        loop {
            let returned = self.returned.notified();
            while let Some(idle) = self.take(|idle| idle.key == *key) {
                if is_alive(&idle.connection) {
                    return Some(Granted::Idle(idle));
                }
            }
            // Closing one frees its slot.
            if self.slots.available_permits() == 0 {
                drop(self.take(|_| true));
            }
            if let Some(slot) = self.slot() {
                return Some(Granted::Slot(slot));
            }
            timeout_at(deadline, returned).await.ok()?;
        }
    }

    fn slot(&self) -> Option<Slot> {
        let permit = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(Slot { permit: Some(permit), returned: Arc::clone(&self.returned) })
    }

    /// Returns a connection that was opened in a slot as borrowed.
    pub(crate) fn opened(key: K, connection: C, slot: Slot) -> Borrowed<K, C> {
        Borrowed { key, connection, slot }
    }

    /// Keeps a connection for the next session, and returns the one that is to be closed, if there are too many.
    pub(crate) fn give_back(&self, borrowed: Borrowed<K, C>) -> Option<Borrowed<K, C>> {
        let surplus = {
            let mut idle = self.lock();
            idle.push_back(borrowed);
            if idle.len() > self.most_idle { idle.pop_front() } else { None }
        };
        self.returned.notify_one();
        surplus
    }

    /// Returns the numbers of open and of idle connections.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.most - self.slots.available_permits(), self.lock().len())
    }

    fn take(&self, wanted: impl Fn(&Borrowed<K, C>) -> bool) -> Option<Borrowed<K, C>> {
        let mut idle = self.lock();
        let at = idle.iter().rposition(wanted)?;
        idle.remove(at)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Borrowed<K, C>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    type Numbers = Pool<&'static str, u32>;

    async fn open(pool: &Numbers, key: &'static str, number: u32) -> Option<Borrowed<&'static str, u32>> {
        let deadline = Instant::now() + Duration::from_secs(1);
        match pool.grant(&key, |number| *number < 90, deadline).await? {
            Granted::Idle(borrowed) => Some(borrowed),
            Granted::Slot(slot) => Some(Numbers::opened(key, number, slot)),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_reused_for_its_key_alone() {
        let pool = Numbers::new(2, 2);
        let one = open(&pool, "a", 1).await.unwrap();
        assert!(pool.give_back(one).is_none());
        let two = open(&pool, "b", 2).await.unwrap();
        assert_eq!((two.connection, pool.counts()), (2, (2, 1)));
        assert_eq!(open(&pool, "a", 3).await.unwrap().connection, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_connection_and_one_of_another_key_make_room() {
        let pool = Numbers::new(1, 1);
        let dead = open(&pool, "a", 99).await.unwrap();
        pool.give_back(dead);
        let alive = open(&pool, "a", 2).await.unwrap();
        assert_eq!(alive.connection, 2);
        pool.give_back(alive);
        assert_eq!(open(&pool, "b", 3).await.unwrap().connection, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_waits_gets_the_next_that_is_returned_or_ends() {
        let pool = Arc::new(Numbers::new(1, 1));
        for ends in [false, true] {
            let held = open(&pool, "a", 1).await.unwrap();
            let waiting = tokio::spawn({
                let pool = Arc::clone(&pool);
                async move { open(&pool, "b", 2).await.map(|borrowed| borrowed.connection) }
            });
            tokio::task::yield_now().await;
            if ends {
                drop(held);
            } else {
                pool.give_back(held);
            }
            assert_eq!(waiting.await.unwrap(), Some(2));
        }
        let held = open(&pool, "a", 1).await.unwrap();
        assert!(open(&pool, "a", 2).await.is_none(), "the limit is kept");
        drop(held);
    }

    #[test]
    fn the_longest_idle_one_of_too_many_is_closed() {
        let pool = Numbers::new(3, 1);
        let slot = || pool.slot().unwrap();
        assert!(pool.give_back(Numbers::opened("a", 1, slot())).is_none());
        assert_eq!(pool.give_back(Numbers::opened("a", 2, slot())).unwrap().connection, 1);
    }
}
