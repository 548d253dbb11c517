//! The login of MySQL's protocol.
//!
//! Only MySQL: the server names the plugin of the user's account, and errors have numbers.

use std::io;

use rds_iam_token::ServerCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{MAX_PACKET, unexpected};
use crate::commands::doctor::facts::{Asked, Login};

/// The plugin by which a client sends a token.
const CLEAR: &str = "mysql_clear_password";

/// The plugin that is announced: the server then names that of the account, unless it is this one.
const ANNOUNCED: &str = "mysql_native_password";

// Capabilities of a client.
const CONNECT_WITH_DB: u32 = 0x8;
const PROTOCOL_41: u32 = 0x200;
const SSL: u32 = 0x800;
const SECURE_CONNECTION: u32 = 0x8000;
const PLUGIN_AUTH: u32 = 0x8_0000;
const CAPABILITIES: u32 = 1 | PROTOCOL_41 | SSL | SECURE_CONNECTION | PLUGIN_AUTH;

/// The character set `utf8mb4_general_ci`.
const UTF8: u8 = 45;

/// Reads the greeting, and requests TLS if the server offers it.
pub(super) async fn request_tls(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    database: Option<&str>,
) -> io::Result<bool> {
    let greeting = read(stream).await?;
    if let Some((code, message)) = error(&greeting) {
        return Err(io::Error::other(format!("the server refuses the connection ({code}: {message})")));
    }
    if greeting.first() != Some(&10) {
        return Err(unexpected("the answer is no greeting of a MySQL server"));
    }
    // After the version's text: connection id, 8 bytes of the scramble, a filler.
    let version = greeting.iter().position(|&byte| byte == 0).unwrap_or(greeting.len());
    let capabilities = greeting.get(version + 14..version + 16);
    let capabilities = capabilities.ok_or_else(|| unexpected("the server's greeting is too short"))?;
    if u32::from(u16::from_le_bytes([capabilities[0], capabilities[1]])) & SSL == 0 {
        return Ok(false);
    }
    write(stream, 1, &head(database)).await?;
    Ok(true)
}

pub(super) async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    user: &str,
    database: Option<&str>,
) -> io::Result<Asked> {
    let mut login = head(database);
    login.extend_from_slice(user.as_bytes());
    // The end of the name, and an empty response to the scramble.
    login.extend_from_slice(&[0, 0]);
    for text in database.into_iter().chain([ANNOUNCED]) {
        login.extend_from_slice(text.as_bytes());
        login.push(0);
    }
    write(stream, 2, &login).await?;
    let answer = read(stream).await?;
    if let Some((code, message)) = error(&answer) {
        return Ok(match code {
            // The account has the announced plugin, for which an empty response is a wrong password.
            ServerCode::MySql(1045) => Asked::Other(ANNOUNCED.to_owned()),
            code => Asked::Refused { code, message },
        });
    }
    match answer.split_first() {
        Some((0xfe, rest)) => {
            let plugin = rest.split(|&byte| byte == 0).next().unwrap_or_default();
            let plugin = String::from_utf8_lossy(plugin).into_owned();
            Ok(if plugin == CLEAR { Asked::Token } else { Asked::Other(plugin) })
        }
        // An account without a password.
        Some((0, _)) => Ok(Asked::Other("nothing: it has no password".to_owned())),
        _ => Err(unexpected("the answer to the user's name is none of MySQL's protocol")),
    }
}

pub(super) async fn log_in(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    token: &str,
) -> io::Result<Login> {
    // After the server's packet 3, its request.
    write(stream, 4, &[token.as_bytes(), &[0]].concat()).await?;
    let answer = read(stream).await?;
    if let Some((code, message)) = error(&answer) {
        return Ok(Login::Refused { code, message });
    }
    if answer.first() != Some(&0) {
        return Err(unexpected("the answer to the token is none of MySQL's protocol"));
    }
    // COM_QUIT. The session is of no further use.
    drop(write(stream, 0, &[1]).await);
    Ok(Login::Accepted)
}

/// The beginning of the request for TLS and of the login: capabilities, the largest packet, the character set.
///
/// It is the same in both: servers read the login by the capabilities of the request for TLS, and would take the database
/// for the plugin.
fn head(database: Option<&str>) -> Vec<u8> {
    let capabilities = CAPABILITIES | if database.is_some() { CONNECT_WITH_DB } else { 0 };
    let mut head = capabilities.to_le_bytes().to_vec();
    head.extend_from_slice(&(1_u32 << 24).to_le_bytes());
    head.push(UTF8);
    head.extend_from_slice(&[0; 23]);
    head
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), number: u8, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?.to_le_bytes();
    let mut packet = vec![length[0], length[1], length[2], number];
    packet.extend_from_slice(payload);
    stream.write_all(&packet).await?;
    stream.flush().await
}

/// Returns the payload of a packet.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
    if length > MAX_PACKET {
        return Err(unexpected("the server's packet is longer than any of a login"));
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok(payload)
}

/// Returns the number and the message of a packet with an error. Before the login it has no SQLSTATE.
fn error(payload: &[u8]) -> Option<(ServerCode, String)> {
    let [0xff, low, high, rest @ ..] = payload else { return None };
    let message = if rest.first() == Some(&b'#') { rest.get(6..).unwrap_or_default() } else { rest };
    let number = u16::from_le_bytes([*low, *high]);
    Some((ServerCode::MySql(number), String::from_utf8_lossy(message).into_owned()))
}
