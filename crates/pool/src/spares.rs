//! Connections that have just finished a statement and wait for the next: no test, no queue, no task.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::mysql::MySql;
use sqlx::pool::PoolConnection;
use tokio::time::Instant;

use crate::connection::give_back;

/// A connection that is not in use and not in sqlx's hands either.
pub(crate) struct Spare {
    pub(crate) loan: PoolConnection<MySql>,
    /// When sqlx last handed it out, and so last tested it.
    pub(crate) borrowed: Instant,
    /// When it finished its last statement.
    pub(crate) finished: Instant,
}

/// The spares, the last one first. `None` once the pool is closed.
pub(crate) struct Spares(Mutex<Option<Vec<Spare>>>);

impl Spares {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }

    /// Takes a spare; the caller checks whether it can be trusted.
    pub(crate) fn pop(&self) -> Option<Spare> {
        self.lock().as_mut()?.pop()
    }

    /// Keeps one, or gives it back to sqlx where the pool is closed.
    pub(crate) fn push(&self, spare: Spare) {
        match &mut *self.lock() {
            Some(spares) => spares.push(spare),
            None => give_back(spare.loan, None),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().as_ref().map_or(0, Vec::len)
    }

    /// Gives those back to sqlx that have not been used since `before`, for it to test and to end.
    pub(crate) fn give_back_idle(&self, before: Instant) {
        if let Some(spares) = &mut *self.lock() {
            spares
                .extract_if(.., |spare| spare.finished < before)
                .for_each(|spare| give_back(spare.loan, None));
        }
    }

    /// Gives all back, and keeps none from now on.
    pub(crate) fn close(&self) {
        let spares = self.lock().take();
        spares.into_iter().flatten().for_each(|spare| give_back(spare.loan, None));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Spare>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        self.close();
    }
}
