//! A connection on loan from the pool.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Weak;
use std::time::Duration;

use sqlx::mysql::{MySql, MySqlConnection};
use sqlx::pool::PoolConnection;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use crate::pool::Inner;

/// How long a connection may take to be found good on its way back: 5 seconds.
const RETURN_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection on loan from a [`Pool`](crate::Pool), returned when it is dropped. It dereferences to
/// sqlx's: `query.fetch_one(&mut *connection)`.
///
/// sqlx tests a connection with a ping before it takes it back, since it can't know in what state it was
/// dropped. Where a statement has just succeeded, [`finished`](Self::finished) spares that.
pub struct Connection {
    /// Taken only when it goes back.
    loan: Option<PoolConnection<MySql>>,
    /// When sqlx last handed it out.
    borrowed: Instant,
    place: Option<OwnedSemaphorePermit>,
    pool: Weak<Inner>,
}

impl Connection {
    pub(crate) fn new(
        loan: PoolConnection<MySql>,
        borrowed: Instant,
        place: OwnedSemaphorePermit,
        pool: Weak<Inner>,
    ) -> Self {
        Self { loan: Some(loan), borrowed, place: Some(place), pool }
    }

    /// Gives the connection back for the next caller at once, without a test. To be called after the last
    /// statement has succeeded and its rows have been read; a connection whose statement failed or was
    /// abandoned is to be dropped.
    pub fn finished(mut self) {
        if let (Some(loan), Some(pool)) = (self.loan.take(), self.pool.upgrade()) {
            // Given up only then: whoever gets the place looks for the spare.
            let place = self.place.take();
            if let Some(loan) = pool.spare(loan, self.borrowed) {
                give_back(loan, place);
            }
        }
    }
}

/// Gives a connection back to sqlx, which tests it.
///
/// sqlx waits for the answer as long as it takes. On a server that has gone silent, that would take the
/// connection's place in the pool away until the kernel gives the connection up, a quarter of an hour
/// later. So the way back is limited in time here.
pub(crate) fn give_back(mut loan: PoolConnection<MySql>, place: Option<OwnedSemaphorePermit>) {
    let Ok(runtime) = Handle::try_current() else {
        // No runtime, no way back: this closes it.
        drop(loan.leak());
        return;
    };
    let returned = loan.return_to_pool();
    // Giving up drops the connection and frees its place.
    runtime.spawn(async move {
        let _place = place;
        if timeout(RETURN_TIMEOUT, returned).await.is_err() {
            tracing::warn!("a connection did not answer on its way back to the pool; closed");
        }
    });
}

impl Deref for Connection {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        self.loan.as_ref().expect(ON_LOAN)
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        self.loan.as_mut().expect(ON_LOAN)
    }
}

const ON_LOAN: &str = "it is taken only when it goes back";

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(loan) = self.loan.take() {
            give_back(loan, self.place.take());
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}
