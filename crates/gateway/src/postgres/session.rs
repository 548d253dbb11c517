//! A session of the auth proxy, from the client's first byte to the end of the login.

use std::net::SocketAddr;
use std::time::Duration;

use rds_iam_token::{DbUser, Token, TokenSource};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::accept::{self, Negotiated, Offer};
use super::cancel::{CancelGuard, CancelKeys};
use super::connect::{LoggedIn, TokenAuthenticator, log_in, start_tls};
use super::startup::Startup;
use crate::limit::LAST_BYTES;
use crate::{Failure, Secured, Upstream};

/// The message that ends a session.
const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// An open session, ready for the [`Relay`](crate::Relay).
#[derive(Debug)]
#[non_exhaustive]
pub struct Session<S> {
    /// The client.
    pub client: S,
    /// The database.
    pub upstream: Secured,
    /// The registration of the session's cancel key, to be kept until the session ends.
    pub cancel: Option<CancelGuard>,
}

/// A complete login. The address is read before it: after a reset it can't be.
struct Connected {
    stream: Secured,
    address: SocketAddr,
    logged_in: LoggedIn,
}

/// Opens a session: answers the client's requests, checks the local password, logs in to the database with a token, and
/// forwards the end of the login to the client. `authorize` gets the client's user and returns the tokens, whose login
/// names the user in the database. A cancel request is forwarded instead: then there is no session.
///
/// After `limit`, the login has failed.
///
/// # Errors
/// Returns the failure, of which the client has been informed.
pub async fn open<S, A>(
    client: S,
    upstream: &Upstream,
    keys: &CancelKeys,
    password: Option<&str>,
    limit: Duration,
    authorize: A,
) -> Result<Option<Session<S>>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: AsyncFnOnce(&str) -> Result<TokenSource, Failure>,
{
    let deadline = Instant::now() + limit;
    let late = |_| Failure::TimedOut(limit);
    let negotiated = timeout_at(deadline, accept::negotiate(client, Offer::Plain)).await.map_err(late)?;
    let (mut client, startup) = match negotiated? {
        Negotiated::Startup(client, startup) => (client, startup),
        Negotiated::Cancel(client, key) => {
            // The client waits for the end of its connection, and takes the request as handled then.
            let forwarded = timeout_at(deadline, keys.forward(&key)).await;
            drop(client);
            return forwarded.map_err(late)?.map(|_| None);
        }
        Negotiated::Tls(_) => return Err(Failure::Malformed("it begins TLS, which was not offered")),
    };
    let established =
        timeout_at(deadline, establish(&mut client, upstream, &startup, password, authorize)).await;
    match established.map_err(late).flatten() {
        Err(failure) => {
            // A client that takes nothing any more is not waited for.
            drop(timeout(LAST_BYTES, accept::refuse(&mut client, &failure)).await);
            Err(failure)
        }
        Ok(Connected { stream, address, logged_in }) => {
            let cancel = logged_in.key.map(|key| keys.register(key, upstream, address));
            let last = async {
                client.write_all(&logged_in.messages).await?;
                client.flush().await
            };
            timeout_at(deadline, last).await.map_err(late)??;
            Ok(Some(Session { client, upstream: stream, cancel }))
        }
    }
}

async fn establish<S, A>(
    client: &mut S,
    upstream: &Upstream,
    startup: &Startup,
    password: Option<&str>,
    authorize: A,
) -> Result<Connected, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: AsyncFnOnce(&str) -> Result<TokenSource, Failure>,
{
    let user = startup.user()?;
    // Before anything else: what follows shows which users are configured.
    if let Some(password) = password {
        accept::check_local_password(client, user, password.as_bytes()).await?;
    }
    let tokens = authorize(user).await?;
    connect(upstream, startup, &tokens).await
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
    let database = database.unwrap_or("postgres");
    let startup = Startup::new(&[("user", user.as_str()), ("database", database)]);
    let Connected { mut stream, .. } = attempt(upstream, &startup, token, user.as_str()).await?;
    stream.write_all(TERMINATE).await?;
    Ok(stream.shutdown().await?)
}

/// Verifies the database's certificate, without a login.
///
/// # Errors
/// Returns the reason why it could not be verified.
pub async fn test_tls(upstream: &Upstream) -> Result<(), Failure> {
    Ok(start_tls(upstream.dial().await?, upstream).await?.shutdown().await?)
}

/// Logs in. If the database refuses a cached token, which may have been revoked with its credentials, a new one is
/// tried once on a new connection.
async fn connect(upstream: &Upstream, startup: &Startup, tokens: &TokenSource) -> Result<Connected, Failure> {
    let started = tokens.clock().now();
    let token = tokens.token().await.map_err(Failure::Credentials)?;
    let user = tokens.login().user.as_str();
    match attempt(upstream, startup, &token, user).await {
        Err(refusal) if refusal.may_be_of_revoked(&token, started) => {
            // Without a new token, the refusal is the better explanation.
            let Ok(token) = tokens.replace(&token).await else { return Err(refusal) };
            attempt(upstream, startup, &token, user).await
        }
        first => first,
    }
}

async fn attempt(
    upstream: &Upstream,
    startup: &Startup,
    token: &Token,
    user: &str,
) -> Result<Connected, Failure> {
    let stream = upstream.dial().await?;
    let address = stream.peer_addr()?;
    let mut stream = start_tls(stream, upstream).await?;
    let mut authenticator = TokenAuthenticator::new(token, user);
    let logged_in = log_in(&mut stream, upstream.endpoint(), startup, Some(user), &mut authenticator).await?;
    Ok(Connected { stream, address, logged_in })
}
