//! `Connection`: a connection borrowed from the pool. `release` returns it without a test; if it is dropped,
//! sqlx tests it first.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Weak;

use sqlx::mysql::{MySql, MySqlConnection};
use sqlx::pool::PoolConnection;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::idle::return_to_sqlx;
use crate::state::State;

/// A connection borrowed from a [`Pool`](crate::Pool), returned when it is dropped. It dereferences to
/// sqlx's: `query.fetch_one(&mut *connection)`.
///
/// sqlx tests a dropped connection with a ping before it reuses it, since the connection's state is unknown. After
/// a successful statement, [`release`](Self::release) saves that ping.
pub struct Connection {
    /// `None` only after it was returned.
    connection: Option<PoolConnection<MySql>>,
    /// The time at which sqlx last returned it.
    acquired_at: Instant,
    permit: Option<OwnedSemaphorePermit>,
    pool: Weak<State>,
}

impl Connection {
    pub(crate) fn new(
        connection: PoolConnection<MySql>,
        acquired_at: Instant,
        permit: OwnedSemaphorePermit,
        pool: Weak<State>,
    ) -> Self {
        Self { connection: Some(connection), acquired_at, permit: Some(permit), pool }
    }

    /// Makes the connection available to the next caller at once, without a test. Call it after the last statement
    /// has succeeded and its rows have been read. Drop a connection whose statement failed or was abandoned.
    pub fn release(mut self) {
        if let (Some(connection), Some(pool)) = (self.connection.take(), self.pool.upgrade()) {
            // The permit is dropped after the connection is in the list: its next holder checks the list first.
            let permit = self.permit.take();
            if let Some(connection) = pool.keep_idle(connection, self.acquired_at) {
                return_to_sqlx(connection, permit);
            }
        }
    }
}

impl Deref for Connection {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        self.connection.as_ref().expect(BORROWED)
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        self.connection.as_mut().expect(BORROWED)
    }
}

const BORROWED: &str = "the connection is taken only on release or drop";

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            return_to_sqlx(connection, self.permit.take());
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}
