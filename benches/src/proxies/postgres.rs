//! PostgreSQL's protocol, as far as the client needs it.

use anyhow::{Context as _, bail};
use rds_iam_gateway::postgres::ErrorResponse;
use rds_iam_gateway::postgres::connect::{self, AuthRequest, Authenticator, TokenAuthenticator};
use rds_iam_gateway::postgres::message;
use rds_iam_gateway::postgres::startup::Startup;
use rds_iam_gateway::{Failure, Upstream};
use rds_iam_token::Token;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::stream::{Stream, buffered, skip};
use crate::database::DATABASE;

/// The message that ends a session.
pub(super) const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// The authenticator of a login without a password.
struct Nothing;

impl Authenticator for Nothing {
    fn answer(&mut self, _request: AuthRequest<'_>) -> Result<Option<Vec<u8>>, Failure> {
        Err(Failure::Denied("a password was requested of a client that has none".into()))
    }
}

/// Logs in: with a token over TLS, or without both.
pub(super) async fn log_in(
    stream: TcpStream,
    upstream: &Upstream,
    user: &str,
    token: Option<&Token>,
) -> anyhow::Result<Stream> {
    let startup = Startup::new(&[("user", user), ("database", DATABASE)]);
    let endpoint = upstream.endpoint();
    let mut stream = match token {
        Some(_) => buffered(connect::start_tls(stream, upstream).await?),
        None => buffered(stream),
    };
    match token {
        Some(token) => {
            let mut token = TokenAuthenticator::new(token, user);
            connect::log_in(&mut stream, endpoint, &startup, None, &mut token).await?;
        }
        None => {
            connect::log_in(&mut stream, endpoint, &startup, None, &mut Nothing).await?;
        }
    }
    Ok(stream)
}

/// Runs a statement, and returns the number of bytes of its rows.
pub(super) async fn query(stream: &mut Stream, statement: &str) -> anyhow::Result<usize> {
    message::write(stream, b'Q', &[statement.as_bytes(), &[0]].concat()).await?;
    let mut bytes = 0;
    loop {
        let mut header = [0; message::HEADER];
        stream.read_exact(&mut header).await.context("reading an answer")?;
        let [tag, a, b, c, d] = header;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let length = length.checked_sub(4).context("a message announces a length below 4")?;
        match tag {
            b'E' => {
                let mut body = vec![0; length];
                stream.read_exact(&mut body).await?;
                let error = ErrorResponse::parse(&body).context("the error can't be read")?;
                bail!("the statement failed: {}: {}", error.code, error.message);
            }
            b'D' => bytes += length,
            _ => {}
        }
        skip(stream, length).await?;
        if tag == b'Z' {
            return Ok(bytes);
        }
    }
}
