//! The login as a client performs it.

use mysql_common::constants::CapabilityFlags;
use mysql_common::io::ParseBuf;
use mysql_common::packets::{AuthPlugin, AuthSwitchRequest, HandshakeResponse, SslRequest};
use mysql_common::proto::{MyDeserialize as _, MySerialize as _};
use rds_iam_report::escape_control;
use rds_iam_token::{Endpoint, ServerCode, Token};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::accept::{CLEARTEXT, ClientLogin};
use super::error::{ERR, ErrorPacket};
use super::greeting::{COMPRESSION, Greeting};
use super::packet::{self, Packet};
use crate::failure::without_token;
use crate::{Failure, MAX_LOGIN_PACKET, Secured, Upstream};

/// The sequence numbers of the request for TLS and of the login inside it: the greeting has 0.
const TLS_REQUEST: u8 = 1;
const LOGIN: u8 = 2;

/// The most packets that a server may send before the login ends: caching_sha2_password needs four.
const MAX_ANSWERS: usize = 16;

/// The longest authentication response where its length has one byte.
const MAX_SHORT_RESPONSE: usize = 250;

/// A login to perform, less the authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The capabilities, which decide the form of all that follows.
    pub capabilities: CapabilityFlags,
    /// The longest packet that the client accepts.
    pub max_packet_size: u32,
    /// The id of the connection's collation.
    pub collation: u8,
    /// The user.
    pub user: String,
    /// The database.
    pub database: Option<Vec<u8>>,
}

impl Request {
    /// Creates the request that forwards a client's login as `user`: with its capabilities, so that the server's packets
    /// are in the form that the client reads, but without compression and attributes.
    #[must_use]
    pub fn new(login: &ClientLogin, user: &str, greeting: &Greeting) -> Self {
        let authentication = CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA;
        let required = CapabilityFlags::CLIENT_PROTOCOL_41
            | CapabilityFlags::CLIENT_SECURE_CONNECTION
            | CapabilityFlags::CLIENT_PLUGIN_AUTH
            | CapabilityFlags::CLIENT_SSL;
        let mut capabilities = (login.capabilities | authentication) & greeting.capabilities();
        capabilities.remove(COMPRESSION | CapabilityFlags::CLIENT_CONNECT_ATTRS);
        capabilities |= required;
        capabilities.set(CapabilityFlags::CLIENT_CONNECT_WITH_DB, login.database.is_some());
        Self {
            capabilities,
            max_packet_size: login.max_packet_size,
            collation: login.collation,
            user: user.to_owned(),
            database: login.database.clone(),
        }
    }

    /// Creates the request of a login without a client.
    #[must_use]
    pub fn without_client(user: &str, database: Option<&str>, greeting: &Greeting) -> Self {
        let mut capabilities = CapabilityFlags::CLIENT_PROTOCOL_41
            | CapabilityFlags::CLIENT_SECURE_CONNECTION
            | CapabilityFlags::CLIENT_PLUGIN_AUTH
            | CapabilityFlags::CLIENT_SSL
            | CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA & greeting.capabilities();
        capabilities.set(CapabilityFlags::CLIENT_CONNECT_WITH_DB, database.is_some());
        Self {
            capabilities,
            max_packet_size: 1 << 24,
            // utf8mb4_general_ci.
            collation: 45,
            user: user.to_owned(),
            database: database.map(|name| name.as_bytes().to_vec()),
        }
    }

    fn tls_payload(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        SslRequest::new(self.capabilities, self.max_packet_size, self.collation).serialize(&mut payload);
        payload
    }

    fn login_payload(&self, plugin: &str, response: &[u8]) -> Vec<u8> {
        let login = HandshakeResponse::new(
            Some(response),
            (8, 0, 0),
            Some(self.user.as_bytes()),
            self.database.as_deref(),
            Some(AuthPlugin::from_bytes(plugin.as_bytes())),
            self.capabilities,
            None,
            self.max_packet_size,
        );
        let mut payload = Vec::new();
        login.serialize(&mut payload);
        // mysql_common always sends its own collation.
        payload[8] = self.collation;
        payload
    }

    fn has_room_for(&self, response: &[u8]) -> bool {
        response.len() <= MAX_SHORT_RESPONSE
            || self.capabilities.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA)
    }
}

/// A server's request for authentication data.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthRequest<'a> {
    /// Another plugin, and its data: a nonce without its terminator, or nothing.
    Switch {
        /// The plugin's name.
        plugin: &'a str,
        /// The data.
        data: &'a [u8],
    },
    /// More data of the plugin in use.
    More(&'a [u8]),
}

/// The answers to a server that authenticates the login.
pub trait Authenticator {
    /// Returns the plugin to start with, and its first data.
    ///
    /// # Errors
    /// Returns the reason to give up.
    fn start(&mut self, greeting: &Greeting) -> Result<(&'static str, Vec<u8>), Failure>;

    /// Returns the answer to a request; `None` if it needs none.
    ///
    /// # Errors
    /// Returns the reason to give up.
    fn answer(&mut self, request: AuthRequest<'_>) -> Result<Option<Vec<u8>>, Failure>;
}

/// Authentication with a token, which is sent in cleartext inside TLS and to no other plugin.
#[derive(Debug)]
pub struct TokenAuthenticator<'a> {
    token: &'a Token,
    user: &'a str,
    endpoint: &'a Endpoint,
}

impl<'a> TokenAuthenticator<'a> {
    /// Creates the authentication of `user` at `endpoint`, both of which only errors name.
    #[must_use]
    pub fn new(token: &'a Token, user: &'a str, endpoint: &'a Endpoint) -> Self {
        Self { token, user, endpoint }
    }

    fn response(&self) -> Vec<u8> {
        [self.token.expose().as_bytes(), &[0]].concat()
    }
}

impl Authenticator for TokenAuthenticator<'_> {
    /// Sends the token with the login: that saves a round trip if the server takes it, and a server that asks again gets
    /// it again.
    fn start(&mut self, _greeting: &Greeting) -> Result<(&'static str, Vec<u8>), Failure> {
        Ok((CLEARTEXT, self.response()))
    }

    fn answer(&mut self, request: AuthRequest<'_>) -> Result<Option<Vec<u8>>, Failure> {
        match request {
            AuthRequest::Switch { plugin: CLEARTEXT, .. } => Ok(Some(self.response())),
            // For a user that does not exist, MySQL asks for a plugin at random.
            AuthRequest::Switch { plugin, .. } => Err(Failure::Denied(format!(
                "{} asked user {} for {}, not for a token: the user does not exist, or has no IAM login. Create it \
                 IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS', or run rds-iam-bootstrap",
                self.endpoint,
                self.user,
                plugin.escape_default(),
            ))),
            AuthRequest::More(_) => Err(unexpected(self.endpoint, "it asked for more than a token")),
        }
    }
}

/// Reads the server's greeting.
///
/// # Errors
/// Returns [`Failure::Refused`] if the server sends an error instead, such as 1040 (too many connections) or 1129 (host
/// blocked).
pub async fn greeting<S: AsyncRead + Unpin>(
    stream: &mut S,
    endpoint: &Endpoint,
) -> Result<Greeting, Failure> {
    let packet = read(stream, endpoint).await?;
    if packet.payload.first() == Some(&ERR) {
        return Err(refused(packet.payload, endpoint));
    }
    Greeting::parse(&packet.payload).map_err(|what| unexpected(endpoint, what))
}

/// Requests TLS, and performs the handshake.
///
/// MySQL takes the capabilities, packet size and collation from this request and skips those of the login, so it can't
/// be sent before the client's login is known. The greeting was read to its last byte and no further: plaintext after
/// it is read as TLS, and fails.
///
/// # Errors
/// Returns [`Failure::NoTls`] if the server offers none: nothing has been sent then.
pub async fn start_tls(
    mut stream: TcpStream,
    greeting: &Greeting,
    request: &Request,
    upstream: &Upstream,
) -> Result<Secured, Failure> {
    if !greeting.capabilities().contains(CapabilityFlags::CLIENT_SSL) {
        return Err(Failure::NoTls(upstream.endpoint().clone()));
    }
    write(&mut stream, TLS_REQUEST, &request.tls_payload(), upstream.endpoint()).await?;
    upstream.secure(stream).await
}

/// Logs in over a stream inside TLS, and returns the payload of the server's OK packet.
///
/// # Errors
/// Returns [`Failure::Refused`] if the server refuses the login, and the authenticator's error.
pub async fn log_in<S>(
    stream: &mut S,
    greeting: &Greeting,
    request: &Request,
    endpoint: &Endpoint,
    authenticator: &mut impl Authenticator,
) -> Result<Vec<u8>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (plugin, response) = authenticator.start(greeting)?;
    // A server without room for the data asks for it after a login of another plugin.
    let payload = if request.has_room_for(&response) {
        request.login_payload(plugin, &response)
    } else {
        request.login_payload("mysql_native_password", b"")
    };
    write(stream, LOGIN, &payload, endpoint).await?;
    for _ in 0..MAX_ANSWERS {
        let packet = read(stream, endpoint).await?;
        let sequence = packet.next_sequence();
        let answer = match packet.payload.split_first() {
            Some((0, _)) => return Ok(packet.payload),
            Some((&ERR, _)) => return Err(refused(packet.payload, endpoint)),
            Some((1, data)) => authenticator.answer(AuthRequest::More(data))?,
            // The request of servers before 4.1.
            Some((0xfe, [])) => {
                authenticator.answer(AuthRequest::Switch { plugin: "mysql_old_password", data: &[] })?
            }
            Some((0xfe, _)) => {
                let switch = AuthSwitchRequest::deserialize((), &mut ParseBuf(&packet.payload))
                    .map_err(|_| unexpected(endpoint, "its request for another plugin is incomplete"))?;
                let plugin = switch.auth_plugin();
                let plugin = String::from_utf8_lossy(plugin.as_bytes());
                authenticator.answer(AuthRequest::Switch { plugin: &plugin, data: switch.plugin_data() })?
            }
            Some((2, _)) => return Err(unexpected(endpoint, "it asks for a second factor")),
            _ => return Err(unexpected(endpoint, "its answer to the login is none of MySQL")),
        };
        if let Some(answer) = answer {
            write(stream, sequence, &answer, endpoint).await?;
        }
    }
    Err(unexpected(endpoint, "it asks for authentication data again and again"))
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S, endpoint: &Endpoint) -> Result<Packet, Failure> {
    let packet = packet::read(stream, MAX_LOGIN_PACKET).await.map_err(|e| e.of_database(endpoint))?;
    packet.ok_or_else(|| unexpected(endpoint, "it closed the connection during the login"))
}

async fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    sequence: u8,
    payload: &[u8],
    endpoint: &Endpoint,
) -> Result<(), Failure> {
    let written = packet::write(stream, sequence, payload).await;
    written.map(drop).map_err(|error| Failure::Io(error).of_database(endpoint))
}

fn unexpected(endpoint: &Endpoint, what: &'static str) -> Failure {
    Failure::Unexpected { endpoint: endpoint.clone(), what }
}

fn refused(packet: Vec<u8>, endpoint: &Endpoint) -> Failure {
    let Some(error) = ErrorPacket::parse(&packet) else {
        return unexpected(endpoint, "its error packet is incomplete");
    };
    let code = ServerCode::MySql(error.code());
    let (message, packet) = match without_token(error.message()) {
        None => (error.message().to_owned(), packet),
        Some(cut) => {
            let packet = ErrorPacket::new(error.code(), error.state(), &cut).payload();
            (cut, packet)
        }
    };
    Failure::Refused { endpoint: endpoint.clone(), code, message: escape_control(&message), packet }
}
