//! The login as a server accepts it, up to its last packet.

use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;

use mysql_common::auth::plugins::caching_sha2_password::scramble_sha256;
use mysql_common::auth::plugins::mysql_native_password::scramble_native;
use mysql_common::constants::CapabilityFlags;
use mysql_common::io::ParseBuf;
use mysql_common::packets::{AuthSwitchRequest, HandshakeResponse, SslRequest};
use mysql_common::proto::{MyDeserialize as _, MySerialize as _};
use tokio::io::{AsyncRead, AsyncWrite};

use super::error::ErrorPacket;
use super::greeting::{Greeting, NONCE};
use super::packet::{self, Packet};
use crate::password::is_equal;
use crate::{Failure, MAX_LOGIN_PACKET};

pub(super) const CLEARTEXT: &str = "mysql_clear_password";
const CACHING_SHA2: &str = "caching_sha2_password";
const NATIVE: &str = "mysql_native_password";

/// The length of a request for TLS: a login's fixed part, without a user.
const TLS_REQUEST: usize = 32;

/// caching_sha2_password's answer that the scramble was right.
const FAST_AUTH_OK: &[u8] = &[1, 3];

/// A client's first packet.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has these two")]
pub enum First {
    /// The client requests TLS; its login follows inside, with its own sequence number.
    Tls,
    /// The client's login.
    Login(ClientLogin),
}

/// A client's login. `Debug` shows no authentication data.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientLogin {
    /// The client's capabilities.
    pub capabilities: CapabilityFlags,
    /// The longest packet that the client accepts.
    pub max_packet_size: u32,
    /// The id of the connection's collation.
    pub collation: u8,
    /// The user.
    pub user: String,
    /// The scramble, password or token.
    pub auth_response: Vec<u8>,
    /// The database.
    pub database: Option<Vec<u8>>,
    /// The authentication plugin that `auth_response` is of.
    pub plugin: Option<String>,
    /// The connection's attributes, such as `program_name`.
    pub attributes: HashMap<String, String>,
    /// The sequence number of the answer.
    pub sequence: u8,
}

impl ClientLogin {
    fn parse(packet: &Packet) -> Result<Self, Failure> {
        let unreadable = |_| Failure::Malformed("its login packet is none of MySQL");
        let login = HandshakeResponse::deserialize((), &mut ParseBuf(&packet.payload)).map_err(unreadable)?;
        let capabilities = login.capabilities();
        if !capabilities.contains(CapabilityFlags::CLIENT_PROTOCOL_41) {
            return Err(Failure::Malformed("the client is older than MySQL 4.1"));
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
        Ok(Self {
            capabilities,
            max_packet_size: login_u32(&packet.payload),
            collation: login.collation(),
            user: text(login.user()).map_err(|_| Failure::Malformed("the user's name is not UTF-8"))?,
            auth_response: login.scramble_buf().to_vec(),
            database: login.db_name().filter(|name| !name.is_empty()).map(<[u8]>::to_vec),
            plugin: login.auth_plugin().map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned()),
            attributes: login.connect_attributes().unwrap_or_default(),
            sequence: packet.next_sequence(),
        })
    }

    fn uses(&self, plugin: &str) -> bool {
        self.plugin.as_deref() == Some(plugin)
    }
}

impl fmt::Debug for ClientLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientLogin")
            .field("user", &self.user)
            .field("database", &self.database.as_deref().map(String::from_utf8_lossy))
            .field("plugin", &self.plugin)
            .field("capabilities", &self.capabilities)
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}

/// Returns the longest packet, which mysql_common reads but does not show.
fn login_u32(payload: &[u8]) -> u32 {
    payload.get(4..8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Sends the greeting.
///
/// # Errors
/// Returns the stream's error.
pub async fn greet<S: AsyncWrite + Unpin>(stream: &mut S, greeting: &Greeting) -> Result<(), Failure> {
    packet::write(stream, 0, &greeting.payload()).await?;
    Ok(())
}

/// Reads the answer to the greeting. After [`First::Tls`] the caller performs the TLS handshake, and reads the login
/// inside it with [`read_login`]. Nothing after the packet is read, so that no plaintext can be taken for TLS.
///
/// # Errors
/// Returns an error if the client left, or its packet is neither.
pub async fn read_first<S: AsyncRead + Unpin>(stream: &mut S) -> Result<First, Failure> {
    let packet = read(stream).await?;
    if packet.payload.len() == TLS_REQUEST {
        let request = SslRequest::deserialize((), &mut ParseBuf(&packet.payload));
        let wants_tls =
            request.is_ok_and(|request| request.capabilities().contains(CapabilityFlags::CLIENT_SSL));
        return if wants_tls {
            Ok(First::Tls)
        } else {
            Err(Failure::Malformed("its login packet has no user"))
        };
    }
    ClientLogin::parse(&packet).map(First::Login)
}

/// Reads the login after the TLS handshake, or where no TLS was offered.
///
/// # Errors
/// Returns an error if the client left, or its packet is none.
pub async fn read_login<S: AsyncRead + Unpin>(stream: &mut S) -> Result<ClientLogin, Failure> {
    match read_first(stream).await? {
        First::Login(login) => Ok(login),
        First::Tls => Err(Failure::Malformed("it requests TLS, which was not offered")),
    }
}

/// Returns the client's password in cleartext, without its terminator, and the next sequence number. The client is asked
/// for it, with empty data as RDS does, unless it sent it with its login. Only for a stream inside TLS.
///
/// # Errors
/// Returns an error if the client supports no plugins, or leaves.
pub async fn request_cleartext<S>(stream: &mut S, login: &ClientLogin) -> Result<(Vec<u8>, u8), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut password, sequence) = if login.uses(CLEARTEXT) && !login.auth_response.is_empty() {
        (login.auth_response.clone(), login.sequence)
    } else {
        let answer = switch(stream, login, CLEARTEXT, b"").await?;
        let sequence = answer.next_sequence();
        (answer.payload, sequence)
    };
    if password.last() == Some(&0) {
        password.pop();
    }
    Ok((password, sequence))
}

/// Checks the password of this gateway, and returns the next sequence number. `nonce` is the greeting's.
///
/// caching_sha2_password's scramble is checked against the password itself, so the full exchange of its first login is
/// never needed. mysql_native_password is accepted from clients that default to it.
///
/// # Errors
/// Returns [`Failure::Denied`] if it is wrong or missing.
pub async fn check_local_password<S>(
    stream: &mut S,
    login: &ClientLogin,
    nonce: &[u8; NONCE],
    password: &str,
) -> Result<u8, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let password = password.as_bytes();
    if login.uses(NATIVE) || login.plugin.is_none() {
        let expected = scramble_native(nonce, password);
        return check(login, &login.auth_response, expected.as_ref()).map(|()| login.sequence);
    }
    let expected = scramble_sha256(nonce, password);
    let sequence = if login.uses(CACHING_SHA2) {
        check(login, &login.auth_response, expected.as_ref())?;
        login.sequence
    } else {
        let answer = switch(stream, login, CACHING_SHA2, &terminated(nonce)).await?;
        check(login, &answer.payload, expected.as_ref())?;
        answer.next_sequence()
    };
    Ok(packet::write(stream, sequence, FAST_AUTH_OK).await?)
}

/// Accepts a client without a password, and returns the next sequence number. A password that the client sent
/// nevertheless is ignored; its plugin still gets the answer that it waits for.
///
/// # Errors
/// Returns the stream's error.
pub async fn accept_any<S>(stream: &mut S, login: &ClientLogin, nonce: &[u8; NONCE]) -> Result<u8, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // An empty password is nothing or, by libmysqlclient, one zero byte: then it waits for no answer.
    let is_complete = matches!(login.auth_response[..], [] | [0])
        || login.plugin.is_none()
        || [NATIVE, CLEARTEXT].iter().any(|plugin| login.uses(plugin));
    if is_complete {
        return Ok(login.sequence);
    }
    let (sequence, has_password) = if login.uses(CACHING_SHA2) {
        (login.sequence, true)
    } else {
        // Such as sha256_password, which waits for a key: a switch ends every plugin's exchange.
        let answer = switch(stream, login, CACHING_SHA2, &terminated(nonce)).await?;
        (answer.next_sequence(), answer.payload.len() > 1)
    };
    if has_password { Ok(packet::write(stream, sequence, FAST_AUTH_OK).await?) } else { Ok(sequence) }
}

/// Ends the login with the payload of an OK packet.
///
/// # Errors
/// Returns the stream's error.
pub async fn finish<S: AsyncWrite + Unpin>(stream: &mut S, sequence: u8, ok: &[u8]) -> Result<(), Failure> {
    packet::write(stream, sequence, ok).await?;
    Ok(())
}

/// Ends the login with an error.
///
/// # Errors
/// Returns the stream's error.
pub async fn refuse<S>(stream: &mut S, sequence: u8, error: &ErrorPacket) -> Result<(), Failure>
where
    S: AsyncWrite + Unpin,
{
    packet::write(stream, sequence, &error.payload()).await?;
    Ok(())
}

/// Ends the connection with an error instead of a greeting.
///
/// # Errors
/// Returns the stream's error.
pub async fn refuse_before_greeting<S>(stream: &mut S, error: &ErrorPacket) -> Result<(), Failure>
where
    S: AsyncWrite + Unpin,
{
    packet::write(stream, 0, &error.payload_before_greeting()).await?;
    Ok(())
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Packet, Failure> {
    match packet::read(stream, MAX_LOGIN_PACKET).await {
        Ok(packet) => packet.ok_or(Failure::ClientGone),
        Err(Failure::Io(error)) if error.kind() == ErrorKind::UnexpectedEof => Err(Failure::ClientGone),
        Err(failure) => Err(failure),
    }
}

async fn switch<S>(stream: &mut S, login: &ClientLogin, plugin: &str, data: &[u8]) -> Result<Packet, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if !login.capabilities.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH) {
        return Err(Failure::Denied(format!(
            "the client does not support authentication plugins, but the login of {} needs {plugin}; use a newer \
             client",
            login.user
        )));
    }
    let mut request = Vec::new();
    AuthSwitchRequest::new(plugin.as_bytes(), data).serialize(&mut request);
    packet::write(stream, login.sequence, &request).await?;
    read(stream).await
}

/// MySQL ends a nonce with a zero, and some clients require it.
fn terminated(nonce: &[u8; NONCE]) -> Vec<u8> {
    [&nonce[..], &[0]].concat()
}

fn check<const N: usize>(
    login: &ClientLogin,
    given: &[u8],
    expected: Option<&[u8; N]>,
) -> Result<(), Failure> {
    if expected.is_some_and(|expected| is_equal(given, expected)) {
        return Ok(());
    }
    let problem = if given.len() < N { "is missing" } else { "is wrong" };
    Err(Failure::Denied(format!(
        "the password for user {} {problem}: this port requires the local password that `rds-iam connect` gives to its \
         program; settings in ~/.my.cnf win over it: use mysql --no-defaults",
        login.user
    )))
}
