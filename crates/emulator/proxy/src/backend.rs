//! A connection to the database for a client: an idle one, or a new one, within the borrow timeout.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rds_iam_gateway::{Failure, Secured};
use rds_iam_report::ErrorReport;
use rds_iam_token::ErrorKind;
use rustix::net::{RecvFlags, recv};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::pool::{Borrowed, Granted, Pool};
use crate::settings::Limits;
use crate::stats::Counters;

/// The pause before a database that could not be reached is dialled again.
pub(crate) const RETRY: Duration = Duration::from_millis(250);

/// The time limit for the reset of a session: 5 seconds.
const RESET_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to the database, and what its login returned.
pub(crate) struct Open<L> {
    pub(crate) stream: Secured,
    pub(crate) login: L,
}

/// The reason why there is no connection for a client.
pub(crate) enum BorrowError {
    TimedOut,
    Failed(Failure),
}

/// Borrows a connection that was opened with an equal `key`, or opens one with `connect`. A database that can't be
/// reached is dialled again until the borrow timeout, as RDS Proxy does: clients wait out a restart.
pub(crate) async fn borrow<K, L, F>(
    pool: &Pool<K, Open<L>>,
    key: &K,
    counters: &Counters,
    limits: &Limits,
    connect: impl Fn() -> F,
) -> Result<Borrowed<K, Open<L>>, BorrowError>
where
    K: Clone + PartialEq,
    F: Future<Output = Result<Open<L>, Failure>>,
{
    let deadline = Instant::now() + limits.borrow_timeout;
    let timed_out = || {
        counters.borrow_timeouts.fetch_add(1, Relaxed);
        BorrowError::TimedOut
    };
    loop {
        let slot = match pool.grant(key, is_alive, deadline).await {
            None => return Err(timed_out()),
            Some(Granted::Idle(borrowed)) => {
                counters.reused.fetch_add(1, Relaxed);
                return Ok(borrowed);
            }
            Some(Granted::Slot(slot)) => slot,
        };
        let limit = limits.login_timeout;
        let failure = match timeout(limit, connect()).await.unwrap_or(Err(Failure::TimedOut(limit))) {
            Ok(open) => {
                counters.logins.fetch_add(1, Relaxed);
                return Ok(Pool::opened(key.clone(), open, slot));
            }
            Err(failure) => failure,
        };
        drop(slot);
        if !is_passing(&failure) {
            return Err(BorrowError::Failed(failure));
        }
        tracing::debug!(error = %ErrorReport(&failure), "no connection to the database; trying again");
        if timeout_at(deadline, sleep(RETRY)).await.is_err() {
            return Err(timed_out());
        }
    }
}

/// Gives a connection back once `reset` has reset its session; closes it if that fails.
pub(crate) async fn give_back<K: PartialEq, L>(
    pool: &Pool<K, Open<L>>,
    mut borrowed: Borrowed<K, Open<L>>,
    reset: impl AsyncFnOnce(&K, &mut Secured) -> Result<(), Failure>,
) {
    let is_reset = timeout(RESET_TIMEOUT, reset(&borrowed.key, &mut borrowed.connection.stream)).await;
    match is_reset {
        Ok(Ok(())) => {
            if let Some(mut surplus) = pool.give_back(borrowed) {
                surplus.connection.stream.shutdown().await.ok();
            }
        }
        failed => {
            tracing::debug!(?failed, "a session could not be reset; its connection is closed");
        }
    }
}

/// Returns whether an idle connection has neither been closed nor received anything.
///
/// Asks the kernel: a poll of the stream would know only what the runtime has noticed so far.
fn is_alive<L>(open: &Open<L>) -> bool {
    let (socket, tls) = open.stream.get_ref();
    let nothing = recv(socket, &mut [0_u8; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    matches!(nothing, Err(rustix::io::Errno::AGAIN)) && !tls.is_handshaking()
}

/// Returns once the client has left, or has sent something before its login was complete.
pub(crate) async fn left(client: &TcpStream) {
    client.peek(&mut [0; 1]).await.ok();
}

/// Returns whether another attempt may succeed: the database restarts, or has no connection left.
pub(crate) fn is_passing(failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable { .. }
        | Failure::Lost { .. }
        | Failure::Unexpected { .. }
        | Failure::TimedOut(_) => true,
        Failure::Refused { code, .. } => {
            matches!(code.kind(), ErrorKind::Unreachable | ErrorKind::Throttled)
        }
        _ => false,
    }
}
