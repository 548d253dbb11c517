//! A session of the auth proxy, from the client's connection to the end of both logins.

use std::time::Duration;

use mysql_common::constants::CapabilityFlags;
use rds_iam_token::{DbUser, Token, TokenSource};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::accept::{self, ClientLogin};
use super::connect::{self, Request, TokenAuthenticator};
use super::error::ErrorPacket;
use super::greeting::{Greeting, Offer};
use super::packet;
use crate::limit::LAST_BYTES;
use crate::{Failure, Secured, Upstream};

/// The command that ends a session.
const COM_QUIT: u8 = 0x01;

/// A session whose logins are complete: the rest is relayed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Session<C> {
    /// The client's stream.
    pub client: C,
    /// The database's.
    pub upstream: Secured,
    /// The client's login.
    pub login: ClientLogin,
}

/// Opens a session: relays the database's greeting, accepts the client's login, and logs in with a token.
///
/// `password` is the local password of this gateway, if it has one. `authorize` decides about the client's user, may change
/// its database, and returns the tokens of the user to log in as. A failure is reported to the client before it is returned.
///
/// A refused login is repeated once with a new token if the token was signed before this login, on another connection.
/// The connection id in the client's greeting is then that of the first one: `CONNECTION_ID()`, and `KILL` with its
/// result, are still right, because the server answers them.
///
/// After `limit`, the login has failed.
///
/// # Errors
/// Returns the reason why there is no session.
pub async fn open<C, A>(
    mut client: C,
    upstream: &Upstream,
    password: Option<&str>,
    limit: Duration,
    authorize: A,
) -> Result<Session<C>, Failure>
where
    C: AsyncRead + AsyncWrite + Unpin,
    A: AsyncFnOnce(&mut ClientLogin) -> Result<TokenSource, Failure>,
{
    let mut reply = Reply::BeforeGreeting;
    let established = timeout(limit, establish(&mut client, upstream, password, authorize, &mut reply)).await;
    match established.unwrap_or(Err(Failure::TimedOut(limit))) {
        Ok((upstream, login)) => Ok(Session { client, upstream, login }),
        Err(failure) => {
            let error = ErrorPacket::from_failure(&failure);
            // The client may have left; the failure itself is returned.
            let _sent = timeout(LAST_BYTES, async {
                match reply {
                    Reply::BeforeGreeting => accept::refuse_before_greeting(&mut client, &error).await,
                    Reply::Sequence(sequence) => accept::refuse(&mut client, sequence, &error).await,
                }
            })
            .await;
            Err(failure)
        }
    }
}

/// The form of an error at this point of the login.
enum Reply {
    BeforeGreeting,
    Sequence(u8),
}

async fn establish<C, A>(
    client: &mut C,
    upstream: &Upstream,
    password: Option<&str>,
    authorize: A,
    reply: &mut Reply,
) -> Result<(Secured, ClientLogin), Failure>
where
    C: AsyncRead + AsyncWrite + Unpin,
    A: AsyncFnOnce(&mut ClientLogin) -> Result<TokenSource, Failure>,
{
    let (stream, greeting) = dial(upstream).await?;
    if !greeting.capabilities().contains(CapabilityFlags::CLIENT_SSL) {
        return Err(Failure::NoTls(upstream.endpoint().clone()));
    }
    accept::greet(client, &greeting.clone().for_client(Offer { tls: false })).await?;
    *reply = Reply::Sequence(2);
    let mut login = accept::read_login(client).await?;
    *reply = Reply::Sequence(login.sequence);
    let sequence = match password {
        Some(password) => accept::check_local_password(client, &login, greeting.nonce(), password).await?,
        None => accept::accept_any(client, &login, greeting.nonce()).await?,
    };
    *reply = Reply::Sequence(sequence);
    let tokens = authorize(&mut login).await?;

    let started_at = tokens.clock().now();
    let request = Request::new(&login, tokens.login().user.as_str(), &greeting);
    let (secured, token) =
        tokio::join!(connect::start_tls(stream, &greeting, &request, upstream), tokens.token(),);
    let token = token.map_err(Failure::Credentials)?;
    let first = log_in(secured?, &greeting, &request, upstream, &token).await;
    let (secured, ok) = match first {
        Err(refusal) if refusal.may_be_of_revoked(&token, started_at) => {
            // Without a new token, the refusal is the better explanation.
            let Ok(token) = tokens.replace(&token).await else { return Err(refusal) };
            retry(&request, upstream, &token).await?
        }
        first => first?,
    };
    accept::finish(client, sequence, &ok).await?;
    Ok((secured, login))
}

/// Logs in and out, without a client.
///
/// # Errors
/// Returns the reason why the login failed.
pub async fn test(
    upstream: &Upstream,
    user: &DbUser,
    database: Option<&str>,
    token: &Token,
) -> Result<(), Failure> {
    let (stream, greeting) = dial(upstream).await?;
    let request = Request::without_client(user.as_str(), database, &greeting);
    let secured = connect::start_tls(stream, &greeting, &request, upstream).await?;
    let (mut secured, _) = log_in(secured, &greeting, &request, upstream, token).await?;
    packet::write(&mut secured, 0, &[COM_QUIT]).await?;
    Ok(secured.shutdown().await?)
}

/// Verifies the database's certificate, without a login.
///
/// # Errors
/// Returns the reason why it could not be verified.
pub async fn test_tls(upstream: &Upstream) -> Result<(), Failure> {
    let (stream, greeting) = dial(upstream).await?;
    let request = Request::without_client("", None, &greeting);
    Ok(connect::start_tls(stream, &greeting, &request, upstream).await?.shutdown().await?)
}

async fn dial(upstream: &Upstream) -> Result<(TcpStream, Greeting), Failure> {
    let mut stream = upstream.dial().await?;
    let greeting = connect::greeting(&mut stream, upstream.endpoint()).await?;
    Ok((stream, greeting))
}

async fn log_in(
    mut secured: Secured,
    greeting: &Greeting,
    request: &Request,
    upstream: &Upstream,
    token: &Token,
) -> Result<(Secured, Vec<u8>), Failure> {
    let endpoint = upstream.endpoint();
    let mut authenticator = TokenAuthenticator::new(token, &request.user, endpoint);
    let ok = connect::log_in(&mut secured, greeting, request, endpoint, &mut authenticator).await?;
    Ok((secured, ok))
}

async fn retry(request: &Request, upstream: &Upstream, token: &Token) -> Result<(Secured, Vec<u8>), Failure> {
    let (stream, greeting) = dial(upstream).await?;
    // The client has negotiated with the first server's capabilities. Another server may answer after a failover.
    if !greeting.capabilities().contains(request.capabilities) {
        let endpoint = upstream.endpoint().clone();
        return Err(Failure::Unexpected {
            endpoint,
            what: "its capabilities changed during the login; connect again",
        });
    }
    let secured = connect::start_tls(stream, &greeting, request, upstream).await?;
    log_in(secured, &greeting, request, upstream, token).await
}
