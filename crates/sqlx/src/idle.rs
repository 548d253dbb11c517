//! Idle connections that have just completed a statement: the next caller gets one without a test, queue or
//! task. Also returns connections to sqlx, which tests them, within a time limit.

use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_core::future::BoxFuture;
use sqlx::pool::PoolConnection;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use crate::engine::Engine;
use crate::error::timed_out_error;

/// The time limit of the test of a returned connection: 5 seconds.
const RETURN_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that is neither in use nor managed by sqlx.
pub(crate) struct IdleConnection<DB: Engine> {
    pub(crate) connection: PoolConnection<DB>,
    /// The time at which sqlx last returned it, and so last tested it.
    pub(crate) acquired_at: Instant,
    /// The time at which its last statement completed.
    pub(crate) released_at: Instant,
}

/// The idle connections, the most recently used one last. `None` once the pool is closed.
pub(crate) struct IdleConnections<DB: Engine>(Mutex<Option<Vec<IdleConnection<DB>>>>);

impl<DB: Engine> IdleConnections<DB> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }

    /// Takes the most recently used connection. The caller checks whether it needs a test.
    pub(crate) fn pop(&self) -> Option<IdleConnection<DB>> {
        self.lock().as_mut()?.pop()
    }

    /// Keeps a connection, unless there are `most` already or the pool is closed: then it is given back.
    pub(crate) fn push(&self, idle: IdleConnection<DB>, most: usize) -> Option<PoolConnection<DB>> {
        match &mut *self.lock() {
            Some(list) if list.len() < most => {
                list.push(idle);
                None
            }
            _ => Some(idle.connection),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().as_ref().map_or(0, Vec::len)
    }

    /// Returns connections that have not been used since `before` to sqlx, which tests them or lets them retire.
    pub(crate) fn return_unused_since(&self, before: Instant) {
        if let Some(list) = &mut *self.lock() {
            list.extract_if(.., |idle| idle.released_at < before)
                .for_each(|idle| return_to_sqlx(idle.connection, None));
        }
    }

    /// Returns all connections to sqlx, and keeps none from now on.
    pub(crate) fn close(&self) {
        let list = self.lock().take();
        list.into_iter().flatten().for_each(|idle| return_to_sqlx(idle.connection, None));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<IdleConnection<DB>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<DB: Engine> Drop for IdleConnections<DB> {
    fn drop(&mut self) {
        self.close();
    }
}

/// Returns a connection to sqlx, which tests it.
///
/// sqlx has no time limit for that test. On a server that has stopped answering, the connection would occupy its
/// slot in sqlx's pool until the kernel closes it, a quarter of an hour later. So the time is limited here.
pub(crate) fn return_to_sqlx<DB: Engine>(
    mut connection: PoolConnection<DB>,
    permit: Option<OwnedSemaphorePermit>,
) {
    let Ok(runtime) = Handle::try_current() else {
        // sqlx needs a runtime for the test. Without one, close the connection.
        drop(connection.detach());
        return;
    };
    let returned = connection.return_to_pool();
    // On timeout, dropping the future closes the connection and frees its slot.
    runtime.spawn(async move {
        let _permit = permit;
        if timeout(RETURN_TIMEOUT, returned).await.is_err() {
            tracing::warn!("a connection did not answer on its way back to the pool; closed");
        }
    });
}

/// Returns a connection to sqlx whose last statement failed, or one of whose statements was dropped while its answer arrived.
pub(crate) fn return_in_step<DB: Engine>(
    connection: PoolConnection<DB>,
    permit: Option<OwnedSemaphorePermit>,
) {
    return_in_step_after(connection, permit, |_| Box::pin(ready(Ok(()))));
}

/// Like [`return_in_step`], after `question` was asked, whose error closes the connection.
///
/// The statement may have begun a transaction, which is rolled back. After one that was dropped, sqlx may have read a part of
/// the answer, and would take the rest, which may be any caller's data, for the answers to a ping and to later statements. A
/// number that no caller knows shows that it does not.
pub(crate) fn return_in_step_after<DB: Engine>(
    mut connection: PoolConnection<DB>,
    permit: Option<OwnedSemaphorePermit>,
    question: impl FnOnce(&mut DB::Connection) -> BoxFuture<'_, sqlx::Result<()>> + Send + 'static,
) {
    let Ok(runtime) = Handle::try_current() else {
        drop(connection.detach());
        return;
    };
    // If the driver panics over what it reads.
    connection.close_on_drop();
    runtime.spawn(async move {
        let test = async {
            if !DB::is_in_step(&mut connection, fastrand::i64(0..)).await? {
                return Err(sqlx::Error::Protocol("the connection gave another statement's answer".into()));
            }
            question(&mut connection).await
        };
        match timeout(RETURN_TIMEOUT, test).await.unwrap_or_else(|_| Err(timed_out_error(RETURN_TIMEOUT))) {
            Ok(()) => return_to_sqlx(connection, permit),
            Err(error) => {
                tracing::debug!(%error, "a connection whose last statement failed or was dropped is closed");
                drop(connection.detach());
            }
        }
    });
}
