//! The reset of a session, after which another client may use its connection.
//!
//! Only MySQL: its answers can't be counted; PostgreSQL's are, in `watch`.

use mysql_common::collations::{Collation, CollationId};
use rds_iam_gateway::mysql::connect::Request;
use rds_iam_gateway::mysql::packet;
use rds_iam_gateway::{Failure, LocalPassword};
use tokio::io::{AsyncRead, AsyncWrite};

const COM_INIT_DB: u8 = 0x02;
const COM_QUERY: u8 = 0x03;
const COM_RESET_CONNECTION: u8 = 0x1f;

/// The most bytes of an answer: an OK packet with session state, or an error.
const MAX_ANSWER: usize = 16 * 1024;

/// Fails in a session with a current database, which `COM_RESET_CONNECTION` keeps, and which can't be unset.
const NO_DATABASE: &str = "DO IF(DATABASE() IS NULL, 0, (SELECT 1 UNION SELECT 2))";

/// Resets a session to that of a new login with `request`: `COM_RESET_CONNECTION`, and then what it keeps or a login
/// also sets: roles, collation and database.
///
/// # Errors
/// Returns an error if any of that fails.
pub(super) async fn reset<S: AsyncRead + AsyncWrite + Unpin>(
    request: &Request,
    stream: &mut S,
) -> Result<(), Failure> {
    command(stream, COM_RESET_CONNECTION, b"").await?;
    command(stream, COM_QUERY, b"SET ROLE DEFAULT").await?;
    let collation = Collation::resolve(CollationId::from(u16::from(request.collation)));
    let names = format!("SET NAMES {} COLLATE {}", collation.charset(), collation.collation());
    command(stream, COM_QUERY, names.as_bytes()).await?;
    match &request.database {
        Some(database) => command(stream, COM_INIT_DB, database).await?,
        None => command(stream, COM_QUERY, NO_DATABASE.as_bytes()).await?,
    }
    echo(stream).await
}

/// Sends a command whose answer is an OK packet.
async fn command<S>(stream: &mut S, command: u8, argument: &[u8]) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    packet::write(stream, 0, &[&[command], argument].concat()).await?;
    match packet::read(stream, MAX_ANSWER).await? {
        Some(answer) if answer.sequence == 1 && answer.payload.first() == Some(&0) => Ok(()),
        _ => Err(not_reset()),
    }
}

/// Has the server return a text that no client knows. If an answer to one of the client's commands was outstanding, the
/// answers so far were to others than these commands, and this one is not the text: the client may have sent commands
/// without waiting, or have left in the middle of several results.
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Result<(), Failure> {
    let text = LocalPassword::random()?;
    let query = format!("SELECT '{}'", text.expose());
    packet::write(stream, 0, &[&[COM_QUERY], query.as_bytes()].concat()).await?;
    // A text with its length in one byte.
    let row = [&[32], text.expose().as_bytes()].concat();
    let mut is_row_read = false;
    // The number of columns, the column, its end in older protocols, the row, and its end.
    for sequence in 1..=5 {
        let Some(packet) = packet::read(stream, MAX_ANSWER).await? else { break };
        if packet.sequence != sequence || (sequence == 1 && packet.payload != [1]) {
            break;
        }
        if is_row_read {
            return if packet.payload.first() == Some(&0xfe) { Ok(()) } else { Err(not_reset()) };
        }
        is_row_read = packet.payload == row;
    }
    Err(not_reset())
}

fn not_reset() -> Failure {
    Failure::Malformed("the session can't be reset")
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;

    use super::*;

    const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];

    /// Answers commands with OK, and the query of a text with that.
    async fn serve(mut stream: DuplexStream) {
        while let Ok(Some(command)) = packet::read(&mut stream, MAX_ANSWER).await {
            let text = command.payload.strip_prefix(b"\x03SELECT '").and_then(|text| text.strip_suffix(b"'"));
            let Some(text) = text else {
                packet::write(&mut stream, 1, OK).await.unwrap();
                continue;
            };
            let row = [&[32], text].concat();
            for (sequence, payload) in
                [&[1][..], &b"\x03def"[..], &[0xfe, 0, 0, 2, 0][..], &row, &[0xfe, 0, 0, 2, 0][..]]
                    .iter()
                    .enumerate()
            {
                packet::write(&mut stream, u8::try_from(sequence).unwrap() + 1, payload).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn an_outstanding_answer_is_taken_for_no_other() {
        for outstanding in 0..7 {
            let (mut client, mut server) = tokio::io::duplex(1 << 16);
            for _ in 0..outstanding {
                packet::write(&mut server, 1, OK).await.unwrap();
            }
            tokio::spawn(serve(server));
            let is_reset = async {
                for _ in 0..4 {
                    command(&mut client, COM_RESET_CONNECTION, b"").await?;
                }
                echo(&mut client).await
            };
            assert_eq!(is_reset.await.is_ok(), outstanding == 0, "{outstanding}");
        }
    }
}
