//! The login as a client performs it towards a server.

use std::io;

use rds_iam_report::escape_control;
use rds_iam_token::{Endpoint, ServerCode, Token};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::error::{self, ErrorResponse};
use super::message::{self, HEADER, Message, ReadError, take_text};
use super::startup::{CancelKey, Startup, TLS_REQUEST, packet};
use crate::failure::{TOKEN_PARAMETER, without_token};
use crate::{Failure, MAX_LOGIN_PACKET, Secured, Upstream};

/// The most bytes that a server may send before the login is complete: 256 KiB.
pub const MAX_LOGIN_ANSWER: usize = 256 * 1024;

/// A server's request for authentication.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthRequest<'a> {
    /// The password, or a token, in clear text.
    Cleartext,
    /// The password as an MD5 digest.
    Md5 {
        /// The salt of this login.
        salt: [u8; 4],
    },
    /// A SASL exchange.
    Sasl {
        /// The mechanisms, in the server's order of preference.
        mechanisms: Vec<&'a str>,
    },
    /// The server's next SASL message.
    SaslContinue(&'a [u8]),
    /// The server's last SASL message, which proves that it knows the password.
    SaslFinal(&'a [u8]),
    /// A method that has no password, such as Kerberos, by its number.
    Unsupported(u32),
}

/// The answers to a server's requests for authentication.
pub trait Authenticator {
    /// Returns the body of the answering message, of type `p`, or `None` if the request needs no answer.
    ///
    /// # Errors
    /// Returns the failure that ends the login.
    fn answer(&mut self, request: AuthRequest<'_>) -> Result<Option<Vec<u8>>, Failure>;
}

/// The authenticator that answers with a token, and with nothing else.
#[derive(Debug)]
pub struct TokenAuthenticator<'a> {
    token: &'a Token,
    user: &'a str,
}

impl<'a> TokenAuthenticator<'a> {
    /// Creates an authenticator for one login of `user`.
    #[must_use]
    pub fn new(token: &'a Token, user: &'a str) -> Self {
        Self { token, user }
    }
}

impl Authenticator for TokenAuthenticator<'_> {
    fn answer(&mut self, request: AuthRequest<'_>) -> Result<Option<Vec<u8>>, Failure> {
        match request {
            AuthRequest::Cleartext => Ok(Some([self.token.expose().as_bytes(), b"\0"].concat())),
            _ => Err(Failure::Denied(format!(
                "the database requests a password of user {user}, not a token: the user does not exist, or is not a \
                 member of rds_iam. Create it with rds-iam-bootstrap, or run CREATE ROLE \"{role}\" LOGIN if it does not \
                 exist, and GRANT rds_iam TO \"{role}\"; never for the master user, which would lose its login by password",
                user = escape_control(self.user),
                role = escape_control(self.user).replace('"', "\"\""),
            ))),
        }
    }
}

/// A complete login.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedIn {
    /// The messages for the client, from NegotiateProtocolVersion or AuthenticationOk to ReadyForQuery.
    pub messages: Vec<u8>,
    /// The key that cancels the session's statements.
    pub key: Option<CancelKey>,
}

/// Requests TLS, and performs its handshake.
///
/// # Errors
/// Returns an error if the server offers no TLS, refuses the connection, or can't prove its name.
pub async fn start_tls(mut stream: TcpStream, upstream: &Upstream) -> Result<Secured, Failure> {
    request_tls(&mut stream, upstream.endpoint()).await?;
    upstream.secure(stream).await
}

/// Requests TLS. The handshake follows.
///
/// # Errors
/// Returns an error if the server offers no TLS, or refuses the connection.
pub async fn request_tls<S>(stream: &mut S, endpoint: &Endpoint) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let lost = |source| Failure::Io(source).of_database(endpoint);
    write(stream, &packet(&TLS_REQUEST.to_be_bytes())).await.map_err(lost)?;
    // A second byte is requested to notice one: before the handshake, it can only come from an attacker on the way.
    let mut answer = [0; 2];
    let count = stream.read(&mut answer).await.map_err(lost)?;
    match answer[..count] {
        [b'S'] => Ok(()),
        [b'S', _] => Err(unexpected(endpoint, "bytes without TLS follow the answer to the request for TLS")),
        [b'N', ..] => Err(Failure::NoTls(endpoint.clone())),
        [b'E', ..] => {
            let mut rest = answer[..count].chain(stream);
            let message = message::read(&mut rest, MAX_LOGIN_PACKET).await;
            Err(refused(endpoint, &message.map_err(|error| of_server(endpoint, error))?))
        }
        [] => Err(unexpected(endpoint, "the connection was closed after the request for TLS")),
        _ => Err(unexpected(endpoint, "the answer to the request for TLS is none of PostgreSQL")),
    }
}

/// Logs in with the client's startup parameters, as `user` if that is given.
///
/// # Errors
/// Returns [`Failure::Refused`] with the server's message, the authenticator's failure, or an error about the
/// connection or the protocol.
pub async fn log_in<S>(
    stream: &mut S,
    endpoint: &Endpoint,
    startup: &Startup,
    user: Option<&str>,
    authenticator: &mut impl Authenticator,
) -> Result<LoggedIn, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let packet = user.map_or_else(|| startup.encode(), |user| startup.with_user(user).encode());
    let lost = |source| Failure::Io(source).of_database(endpoint);
    write(stream, &packet).await.map_err(lost)?;
    let mut logged_in = LoggedIn { messages: Vec::new(), key: None };
    let mut left = MAX_LOGIN_ANSWER;
    let mut authenticated = false;
    loop {
        let message = message::read(stream, left.saturating_sub(HEADER).min(MAX_LOGIN_PACKET)).await;
        let message = message.map_err(|error| of_server(endpoint, error))?;
        left = left.saturating_sub(HEADER + message.body.len());
        match message.tag {
            b'E' => return Err(refused(endpoint, &message)),
            b'R' if !authenticated => match parse_request(&message.body) {
                Some(None) => authenticated = true,
                Some(Some(request)) => {
                    if let Some(answer) = authenticator.answer(request)? {
                        message::write(stream, b'p', &answer).await.map_err(lost)?;
                    }
                    continue;
                }
                None => return Err(unexpected(endpoint, "its request for authentication is malformed")),
            },
            b'K' if authenticated => {
                let key = CancelKey::parse(&message.body);
                logged_in.key = Some(key.ok_or_else(|| unexpected(endpoint, "its cancel key is invalid"))?);
            }
            b'v' if !authenticated => {}
            b'S' | b'Z' if authenticated => {}
            b'N' => {}
            _ => return Err(unexpected(endpoint, "it sent a message that is none of a login")),
        }
        logged_in.messages.extend_from_slice(&message.encode());
        if message.tag == b'Z' {
            return Ok(logged_in);
        }
    }
}

/// Reads a request for authentication: `Some(None)` is AuthenticationOk, `None` a malformed one.
#[expect(
    clippy::option_option,
    reason = "AuthenticationOk is no request, and different from an unreadable one"
)]
fn parse_request(body: &[u8]) -> Option<Option<AuthRequest<'_>>> {
    let (kind, mut rest) = body.split_first_chunk()?;
    Some(Some(match u32::from_be_bytes(*kind) {
        0 => return rest.is_empty().then_some(None),
        3 => AuthRequest::Cleartext,
        5 => AuthRequest::Md5 { salt: rest.try_into().ok()? },
        10 => {
            let mut mechanisms = Vec::new();
            loop {
                match take_text(&mut rest)? {
                    [] => break,
                    name => mechanisms.push(std::str::from_utf8(name).ok()?),
                }
            }
            AuthRequest::Sasl { mechanisms }
        }
        11 => AuthRequest::SaslContinue(rest),
        12 => AuthRequest::SaslFinal(rest),
        kind => AuthRequest::Unsupported(kind),
    }))
}

fn refused(endpoint: &Endpoint, message: &Message) -> Failure {
    let parsed = (message.tag == error::TAG).then(|| ErrorResponse::parse(&message.body)).flatten();
    let code = parsed.as_ref().and_then(|error| ServerCode::from_sqlstate(&error.code));
    match (parsed, code) {
        (Some(error), Some(code)) => {
            // Any of its fields may repeat what was sent.
            let repeats = String::from_utf8_lossy(&message.body).contains(TOKEN_PARAMETER);
            let text = without_token(&error.message).unwrap_or(error.message);
            let packet =
                if repeats { ErrorResponse::fatal(&error.code, &*text).encode() } else { message.encode() };
            Failure::Refused { endpoint: endpoint.clone(), code, message: escape_control(&text), packet }
        }
        _ => unexpected(endpoint, "its error has no SQLSTATE"),
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

fn of_server(endpoint: &Endpoint, error: ReadError) -> Failure {
    match error {
        ReadError::Closed => unexpected(endpoint, "the connection was closed during the login"),
        ReadError::TooShort => unexpected(endpoint, "a message announces a length below 4"),
        ReadError::TooLong(_) => unexpected(endpoint, "its messages are too long for a login"),
        ReadError::Io(error) => Failure::Io(error).of_database(endpoint),
    }
}

fn unexpected(endpoint: &Endpoint, what: &'static str) -> Failure {
    Failure::Unexpected { endpoint: endpoint.clone(), what }
}
