//! The login as a server performs it towards a client.

use rds_iam_report::escape_control;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::Prefixed;
use super::error::{self, ErrorResponse};
use super::message;
use super::startup::{CancelKey, First, Startup, read_first};
use crate::password::is_equal;
use crate::{Failure, MAX_LOGIN_PACKET};

/// The TLS alert `handshake_failure`, for a client that begins TLS without asking where none is offered.
const TLS_ALERT: [u8; 7] = [0x15, 3, 1, 0, 2, 2, 40];

/// The transport that a client can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Offer {
    /// TLS, on request or direct.
    Tls,
    /// No TLS: requests for it are declined, and the client decides whether to continue.
    Plain,
    /// None, since the stream is TLS already. Requests are refused, as PostgreSQL does.
    Secured,
}

/// The result of a negotiation.
#[derive(Debug)]
#[non_exhaustive]
pub enum Negotiated<S> {
    /// The client begins a TLS handshake now. After it, [`negotiate`] continues with [`Offer::Secured`].
    Tls(Prefixed<S>),
    /// The client wants to log in.
    Startup(S, Startup),
    /// The client wants a statement cancelled; it expects no answer, only the end of the connection.
    Cancel(S, CancelKey),
}

/// Answers requests for TLS and GSS encryption, each at most once, up to the startup packet.
///
/// # Errors
/// Returns an error if the bytes are no such packet, or the client is gone. The client has been answered.
pub async fn negotiate<S>(mut stream: S, offer: Offer) -> Result<Negotiated<S>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut tls, mut gss) = (offer != Offer::Secured, offer != Offer::Secured);
    let mut first = true;
    let what = loop {
        match read_first(&mut stream).await? {
            First::Tls if tls => {
                tls = false;
                if offer == Offer::Tls {
                    answer(&mut stream, b"S").await?;
                    return Ok(Negotiated::Tls(Prefixed::new(None, stream)));
                }
                answer(&mut stream, b"N").await?;
            }
            First::Gss if gss => {
                gss = false;
                answer(&mut stream, b"N").await?;
            }
            First::Tls | First::Gss => break "a request for encryption is repeated or out of order",
            First::Cancel(key) => return Ok(Negotiated::Cancel(stream, key)),
            First::Startup(startup) => return Ok(Negotiated::Startup(stream, startup)),
            First::DirectTls if first && offer == Offer::Tls => {
                return Ok(Negotiated::Tls(Prefixed::new(Some(0x16), stream)));
            }
            First::DirectTls if first && offer == Offer::Plain => {
                close(&mut stream, &TLS_ALERT).await;
                return Err(Failure::Malformed(
                    "it begins TLS, which the gateway does not offer here; use sslmode=disable",
                ));
            }
            First::DirectTls => break "TLS begins out of order",
            First::NotPostgres(what) => break what,
        }
        first = false;
    };
    let failure = Failure::Malformed(what);
    refuse(&mut stream, &failure).await;
    Err(failure)
}

/// Requests a password in clear text, and returns it without its trailing zero byte.
///
/// # Errors
/// Returns an error if the answer is no password, or the client is gone.
pub async fn request_cleartext<S>(stream: &mut S) -> Result<Vec<u8>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    message::write(stream, b'R', &3u32.to_be_bytes()).await?;
    let answer = message::read(stream, MAX_LOGIN_PACKET).await.map_err(message::ReadError::of_client)?;
    if answer.tag != b'p' {
        return Err(Failure::Malformed("a message other than the password was received"));
    }
    let mut password = answer.body;
    match password.iter().position(|&byte| byte == 0) {
        Some(end) if end + 1 == password.len() => {
            password.pop();
            Ok(password)
        }
        _ => Err(Failure::Malformed("the password does not end with its only zero byte")),
    }
}

/// Requests the local password and compares it in constant time.
///
/// # Errors
/// Returns an error if it is another one. The client has been answered in PostgreSQL's words.
pub async fn check_local_password<S>(stream: &mut S, user: &str, password: &[u8]) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let given = match request_cleartext(stream).await {
        Ok(given) => given,
        Err(failure) => {
            refuse(stream, &failure).await;
            return Err(failure);
        }
    };
    if is_equal(&given, password) {
        return Ok(());
    }
    let message = format!("password authentication failed for user \"{}\"", escape_control(user));
    let hint = "This is the gateway's local password, not the database's.";
    close(stream, &ErrorResponse::fatal("28P01", message.clone()).hint(hint).encode()).await;
    Err(Failure::Denied(message))
}

/// Sends a failure as an ErrorResponse and closes the connection. A client that is gone gets nothing.
pub async fn refuse<S: AsyncWrite + Unpin>(stream: &mut S, failure: &Failure) {
    if !matches!(failure, Failure::ClientGone) {
        close(stream, &error::encode(failure)).await;
    }
}

/// Sends the last bytes. Their loss changes nothing: the connection is closed anyway.
async fn close<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) {
    if stream.write_all(bytes).await.is_ok() {
        stream.shutdown().await.ok();
    }
}

async fn answer<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> Result<(), Failure> {
    stream.write_all(bytes).await?;
    stream.flush().await?;
    Ok(())
}
