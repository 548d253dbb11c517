//! A connection on loan from the pool.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::mysql::{MySql, MySqlConnection};
use sqlx::pool::PoolConnection;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a connection may take to be found good on its way back: 5 seconds.
const RETURN_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection on loan from a [`Pool`](crate::Pool), returned when it is dropped. It dereferences to
/// sqlx's: `query.fetch_one(&mut *connection)`.
///
/// sqlx pings a connection before it takes it back, and waits for the answer as long as it takes. On a
/// server that has gone silent, that would take the connection's place in the pool away until the kernel
/// gives the connection up, a quarter of an hour later. So the way back is limited in time here.
pub struct Connection(Option<PoolConnection<MySql>>);

impl Connection {
    pub(crate) fn new(loan: PoolConnection<MySql>) -> Self {
        Self(Some(loan))
    }
}

impl Deref for Connection {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        self.0.as_ref().expect(ON_LOAN)
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        self.0.as_mut().expect(ON_LOAN)
    }
}

const ON_LOAN: &str = "it is taken only when it is dropped";

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(mut loan) = self.0.take() else { return };
        // Without a runtime there is no way back: sqlx closes it.
        let Ok(runtime) = Handle::try_current() else { return };
        let returned = loan.return_to_pool();
        // Giving up drops the connection and frees its place.
        runtime.spawn(async move {
            if timeout(RETURN_TIMEOUT, returned).await.is_err() {
                tracing::warn!("a connection did not answer on its way back to the pool; closed");
            }
        });
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}
