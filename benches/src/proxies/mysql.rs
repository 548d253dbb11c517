//! MySQL's protocol, as far as the client needs it.
//!
//! Only MySQL: it encodes its login packet; for PostgreSQL, the gateway does.

use anyhow::{Context as _, bail, ensure};
use rds_iam_gateway::mysql::packet::{self, Packet};
use rds_iam_gateway::mysql::{ErrorPacket, Greeting};
use rds_iam_gateway::{MAX_LOGIN_PACKET, Upstream};
use rds_iam_token::Token;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpStream;

use super::stream::{Stream, buffered, skip};
use crate::database::DATABASE;

/// COM_QUIT in its packet.
pub(super) const QUIT: &[u8] = &[1, 0, 0, 0, 1];

const COM_QUERY: u8 = 3;

/// CLIENT_LONG_PASSWORD, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH,
/// PLUGIN_AUTH_LENENC_CLIENT_DATA and DEPRECATE_EOF.
const CAPABILITIES: u32 = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x8_0000 | 0x20_0000 | 0x100_0000;

/// CLIENT_SSL.
const TLS: u32 = 0x800;

/// The longest packet that the client accepts: 16 MB.
const MAX_PACKET: u32 = 1 << 24;

/// The id of utf8mb4_general_ci.
const COLLATION: u8 = 45;

/// The first bytes of packets.
const OK: u8 = 0;
const ERR: u8 = 0xff;
const END_OR_SWITCH: u8 = 0xfe;

/// The most packets before a login ends.
const MAX_ANSWERS: usize = 8;

/// Logs in: with a token over TLS, or without both.
pub(super) async fn log_in(
    mut stream: TcpStream,
    upstream: &Upstream,
    user: &str,
    token: Option<&Token>,
) -> anyhow::Result<Stream> {
    let greeting = read(&mut stream).await?;
    let greeting = Greeting::parse(&greeting.payload).map_err(anyhow::Error::msg)?;
    let flag = if token.is_some() { TLS } else { 0 };
    let fixed = fixed_part((CAPABILITIES & greeting.capabilities().bits()) | flag);
    let (plugin, response) = match token {
        Some(token) => ("mysql_clear_password", [token.expose().as_bytes(), &[0]].concat()),
        None => ("caching_sha2_password", Vec::new()),
    };
    let login = login_payload(&fixed, user, plugin, &response)?;
    let (mut stream, sequence) = if token.is_some() {
        let sequence = packet::write(&mut stream, 1, &fixed).await?;
        (buffered(upstream.secure(stream).await?), sequence)
    } else {
        (buffered(stream), 1)
    };
    packet::write(&mut stream, sequence, &login).await?;
    for _ in 0..MAX_ANSWERS {
        let answer = read(&mut stream).await?;
        match answer.payload.first() {
            Some(&OK) => return Ok(stream),
            Some(&END_OR_SWITCH) => {
                packet::write(&mut stream, answer.next_sequence(), &response).await?;
            }
            // The password, which is none, was right.
            Some(1) => {}
            _ => bail!("the login was refused: {}", error(&answer.payload)),
        }
    }
    bail!("the login has no end")
}

/// Runs a statement, and returns the number of bytes of its rows.
pub(super) async fn query(stream: &mut Stream, statement: &str) -> anyhow::Result<usize> {
    packet::write(stream, 0, &[&[COM_QUERY][..], statement.as_bytes()].concat()).await?;
    let (first, _) = skip_packet(stream).await?;
    if first == OK {
        return Ok(0);
    }
    let columns = first;
    for _ in 0..columns {
        skip_packet(stream).await?;
    }
    let mut bytes = 0;
    loop {
        match skip_packet(stream).await? {
            // A row begins with this byte only if its first column has 16 MB or more.
            (END_OR_SWITCH, _) => return Ok(bytes),
            (_, length) => bytes += length,
        }
    }
}

/// Reads a packet to its end, and returns its first byte and its length.
async fn skip_packet(stream: &mut Stream) -> anyhow::Result<(u8, usize)> {
    let mut header = [0; 5];
    stream.read_exact(&mut header).await.context("reading an answer")?;
    let [a, b, c, _, first] = header;
    let length = u32::from_le_bytes([a, b, c, 0]) as usize;
    ensure!(length > 0, "a packet of an answer is empty");
    if first == ERR {
        let mut payload = vec![0; length];
        payload[0] = first;
        stream.read_exact(&mut payload[1..]).await?;
        bail!("the statement failed: {}", error(&payload));
    }
    skip(stream, length - 1).await?;
    Ok((first, length))
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> anyhow::Result<Packet> {
    packet::read(stream, MAX_LOGIN_PACKET).await?.context("the connection was closed during the login")
}

/// Returns the request for TLS, which is also the beginning of the login.
fn fixed_part(capabilities: u32) -> Vec<u8> {
    let mut bytes = capabilities.to_le_bytes().to_vec();
    bytes.extend_from_slice(&MAX_PACKET.to_le_bytes());
    bytes.push(COLLATION);
    bytes.resize(32, 0);
    bytes
}

fn login_payload(fixed: &[u8], user: &str, plugin: &str, response: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = [fixed, user.as_bytes(), &[0]].concat();
    // A number of up to 250 has one byte; 0xfc announces two.
    match u8::try_from(response.len()) {
        Ok(length @ ..=250) => bytes.push(length),
        _ => {
            bytes.push(0xfc);
            let length = u16::try_from(response.len()).context("the token has over 64 KB")?;
            bytes.extend_from_slice(&length.to_le_bytes());
        }
    }
    bytes.extend_from_slice(response);
    for text in [DATABASE, plugin] {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    Ok(bytes)
}

fn error(payload: &[u8]) -> String {
    ErrorPacket::parse(payload).map_or_else(
        || "its answer is no error".into(),
        |error| format!("{}: {}", error.code(), error.message()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_has_the_length_of_its_token_in_front() {
        let login = |length| login_payload(&fixed_part(0), "app", "p", &vec![b't'; length]).unwrap();
        assert_eq!(&login(0)[32..], b"app\0\0node_db\0p\0");
        assert_eq!(&login(3)[36..40], b"\x03ttt");
        assert_eq!(&login(251)[36..40], b"\xfc\xfb\0t");
        assert_eq!(&login(1_000)[36..40], b"\xfc\xe8\x03t");
        assert!(login_payload(&[], "app", "p", &[0; 65_536]).is_err());
    }
}
