//! The time limit of a server's answer.

use std::io;
use std::time::Duration;

/// The time limit of one statement: a minute, well over the wait for another run's lock.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Awaits the server's answer to a request, within the time limit: a run that hangs would hold the lock.
pub(crate) async fn answer<T>(request: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let timed_out = |_| {
        let message = format!("no answer within {} s", ANSWER_TIMEOUT.as_secs());
        Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, message)))
    };
    tokio::time::timeout(ANSWER_TIMEOUT, request).await.unwrap_or_else(timed_out)
}
