//! The session after the login: forwards until one side ends it, and returns the database's connection if it can be
//! reused.

use rds_iam_gateway::{Ended, Frames, Relay, Secured};
use rds_iam_report::ErrorReport;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// The answer of an observer to the client's request to end its session: nothing, and the session ends there.
pub(crate) const END: Vec<u8> = Vec::new();

/// Forwards a session. Returns the database's connection if the client ended the session in order. `farewell` is the
/// error that the client is sent when the proxy ends.
pub(crate) async fn forward<S, Q, A>(
    mut relay: Relay<S, Secured, Q, A>,
    mut close: watch::Receiver<bool>,
    farewell: Vec<u8>,
) -> Option<Secured>
where
    S: AsyncRead + AsyncWrite + Unpin,
    Q: Frames + Unpin,
    A: Frames + Unpin,
{
    let ended = tokio::select! {
        ended = relay.run() => ended,
        () = async { drop(close.wait_for(|close| *close).await) } => {
            relay.close(&farewell).await;
            return None;
        }
    };
    match ended {
        Ended::Refused(answer) if answer == END => return relay.release().await,
        Ended::Refused(answer) => relay.close(&answer).await,
        Ended::UpstreamFailed(error) => {
            tracing::debug!(error = %ErrorReport(&error), "the database's connection failed");
            relay.close(&[]).await;
        }
        // A client that leaves without a word may have left in the middle of a statement.
        _ => relay.close(&[]).await,
    }
    None
}
