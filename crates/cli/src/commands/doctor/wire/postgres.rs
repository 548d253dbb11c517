//! The login of PostgreSQL's protocol.
//!
//! Only PostgreSQL: the server names the method of authentication, and errors have an SQLSTATE.

use std::io;

use rds_iam_token::ServerCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{MAX_PACKET, unexpected};
use crate::commands::doctor::facts::{Asked, Login};

/// The code of the request for TLS.
const SSL_REQUEST: i32 = 80_877_103;

/// Version 3.0 of the protocol.
const VERSION: i32 = 196_608;

/// Requests TLS. Returns whether the server offers it.
pub(super) async fn request_tls(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<bool> {
    write(stream, None, &SSL_REQUEST.to_be_bytes()).await?;
    match stream.read_u8().await? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        _ => Err(unexpected("the answer to the request for TLS is none of PostgreSQL's protocol")),
    }
}

pub(super) async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    user: &str,
    database: Option<&str>,
) -> io::Result<Asked> {
    let mut start = VERSION.to_be_bytes().to_vec();
    for text in ["user", user, "database", database.unwrap_or(user)] {
        start.extend_from_slice(text.as_bytes());
        start.push(0);
    }
    start.push(0);
    write(stream, None, &start).await?;
    match read(stream).await? {
        (b'E', body) => {
            let (code, message) = error(&body)?;
            Ok(Asked::Refused { code, message })
        }
        (b'R', body) => Ok(match body.get(..4) {
            Some([0, 0, 0, 3]) => Asked::Token,
            Some([0, 0, 0, 0]) => Asked::Other("nothing: it trusts this address".to_owned()),
            Some([0, 0, 0, 5]) => Asked::Other("md5".to_owned()),
            Some([0, 0, 0, 10]) => Asked::Other("scram-sha-256".to_owned()),
            _ => Asked::Other("an unknown method".to_owned()),
        }),
        _ => Err(unexpected("the answer to the user's name is none of PostgreSQL's protocol")),
    }
}

pub(super) async fn log_in(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    token: &str,
) -> io::Result<Login> {
    write(stream, Some(b'p'), &[token.as_bytes(), &[0]].concat()).await?;
    // A database that does not exist, or that the user may not connect to, is reported after the token was accepted.
    loop {
        match read(stream).await? {
            (b'E', body) => {
                let (code, message) = error(&body)?;
                return Ok(Login::Refused { code, message });
            }
            (b'Z', _) => {
                // Terminate. The session is of no further use.
                drop(write(stream, Some(b'X'), &[]).await);
                return Ok(Login::Accepted);
            }
            (b'R' | b'S' | b'K' | b'N' | b'v', _) => {}
            _ => return Err(unexpected("the answer to the token is none of PostgreSQL's protocol")),
        }
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), kind: Option<u8>, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 4).map_err(io::Error::other)?;
    let mut message: Vec<u8> = kind.into_iter().collect();
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(body);
    stream.write_all(&message).await?;
    stream.flush().await
}

/// Returns the kind and the body of a message.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await?;
    let length = (stream.read_u32().await? as usize).checked_sub(4);
    let Some(length) = length.filter(|&length| length <= MAX_PACKET) else {
        return Err(unexpected("the length of the server's message is none of a login"));
    };
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((kind, body))
}

/// Returns the SQLSTATE and the message of an error.
fn error(body: &[u8]) -> io::Result<(ServerCode, String)> {
    let fields = body.split(|&byte| byte == 0).filter_map(|field| field.split_first());
    let field = |wanted: u8| {
        let mut fields = fields.clone().filter(|(kind, _)| **kind == wanted);
        fields.next().map(|(_, text)| String::from_utf8_lossy(text).into_owned())
    };
    let code = field(b'C').as_deref().and_then(ServerCode::from_sqlstate);
    let code = code.ok_or_else(|| unexpected("the server's error has no code"))?;
    Ok((code, field(b'M').unwrap_or_default()))
}
