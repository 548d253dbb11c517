//! The reset of a session, after which another client may use its connection.

use rds_iam_gateway::postgres::message;
use rds_iam_gateway::{Failure, Secured};

/// The most bytes of a message in an answer: notices may be long.
const MAX_MESSAGE: usize = 64 * 1024;

/// Resets a session to that of a new login. Each statement is a query of its own: `DISCARD ALL` can't run in a
/// transaction.
///
/// # Errors
/// Returns an error if a statement fails.
pub(super) async fn reset(stream: &mut Secured) -> Result<(), Failure> {
    // Outside a transaction, it only returns a warning.
    query(stream, "ROLLBACK").await?;
    query(stream, "DISCARD ALL").await
}

/// Sends a statement, and reads its answer up to ReadyForQuery.
async fn query(stream: &mut Secured, sql: &str) -> Result<(), Failure> {
    message::write(stream, b'Q', &[sql.as_bytes(), b"\0"].concat()).await?;
    let mut is_complete = false;
    loop {
        let answer = message::read(stream, MAX_MESSAGE).await.map_err(message::ReadError::of_client)?;
        match answer.tag {
            b'C' => is_complete = true,
            // Notices, parameters that return to their values, and notifications.
            b'N' | b'S' | b'A' => {}
            b'Z' if is_complete && answer.body == b"I" => return Ok(()),
            _ => return Err(Failure::Malformed("the session can't be reset")),
        }
    }
}
