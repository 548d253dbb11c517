//! PostgreSQL's sessions: the client's login, a connection to the database for it, and its return.

mod password;
mod reset;
mod watch;

use std::net::IpAddr;
use std::sync::Arc;

use rds_iam_gateway::postgres::accept::{self, Negotiated, Offer};
use rds_iam_gateway::postgres::connect::{self, LoggedIn, TokenAuthenticator};
use rds_iam_gateway::postgres::startup::Startup;
use rds_iam_gateway::postgres::{ErrorResponse, Prefixed};
use rds_iam_gateway::{Failure, Relay};
use rds_iam_report::escape_control;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use self::password::PasswordAuthenticator;
use self::watch::Watch;
use crate::backend::{BorrowError, Open, borrow, give_back, left};
use crate::forward::forward;
use crate::front::{Decision, Front, Login};
use crate::pool::Pool;
use crate::settings::Limits;

/// PostgreSQL's sessions. Connections to the database are shared by sessions of the same startup parameters.
pub(crate) struct Sessions {
    pool: Pool<Startup, Open<LoggedIn>>,
}

/// A client whose token was accepted.
struct Client {
    stream: TlsStream<Prefixed<TcpStream>>,
    startup: Startup,
    user: String,
}

impl Sessions {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { pool: Pool::new(limits.max_connections, limits.max_idle) }
    }

    pub(crate) fn counts(&self) -> (usize, usize) {
        self.pool.counts()
    }

    /// Serves a client to its end.
    pub(crate) async fn serve(
        &self,
        front: &Arc<Front>,
        client: TcpStream,
        host: IpAddr,
    ) -> Result<(), Failure> {
        let limit = front.limits.login_timeout;
        let accepted = timeout(limit, self.accept(front, client, host)).await;
        let Some(mut client) = accepted.unwrap_or(Err(Failure::TimedOut(limit)))? else { return Ok(()) };

        let connect = || connect_as(front, &client.startup, &client.user);
        let borrowing = borrow(&self.pool, &client.startup, &front.counters, &front.limits, connect);
        let borrowed = tokio::select! {
            borrowed = borrowing => borrowed,
            () = left(client.stream.get_ref().0.get_ref()) => return Err(Failure::ClientGone),
        };
        let borrowed = match borrowed {
            Ok(borrowed) => borrowed,
            Err(BorrowError::Failed(failure)) => {
                accept::refuse(&mut client.stream, &failure).await;
                return Err(failure);
            }
            Err(BorrowError::TimedOut) => {
                let message = "Timed-out waiting to acquire database connection.";
                return refuse(&mut client.stream, "53300", message).await;
            }
        };
        client.stream.write_all(&borrowed.connection.login.messages).await?;
        client.stream.flush().await?;

        let (requests, answers, watch) = Watch::start(Arc::clone(front));
        let (open, loan) = borrowed.split();
        let relay = Relay::new(client.stream, open.stream, requests, answers);
        let farewell = ErrorResponse::fatal("57P01", "terminating connection due to administrator command");
        let left = forward(relay, front.close.clone(), farewell.encode()).await;
        match left {
            Some(stream) if watch.is_complete() => {
                let borrowed = loan.join(Open { stream, login: open.login });
                give_back(&self.pool, borrowed, async |_, stream| reset::reset(stream).await).await;
            }
            _ => drop(loan),
        }
        Ok(())
    }

    /// Performs a client's login up to its last message; `None` if it sent a cancel request. A client
    /// that is refused has been sent the error.
    async fn accept(
        &self,
        front: &Front,
        client: TcpStream,
        host: IpAddr,
    ) -> Result<Option<Client>, Failure> {
        let client = match accept::negotiate(client, Offer::Tls).await? {
            Negotiated::Tls(client) => client,
            // RDS Proxy takes no cancel requests. The end of the connection is their only answer.
            Negotiated::Cancel(..) => return Ok(None),
            Negotiated::Startup(mut client, _) => {
                let message = "IAM authentication is allowed only with SSL connections.";
                return refuse(&mut client, "28000", message).await;
            }
            _ => return Err(Failure::Malformed("the negotiation has no result")),
        };
        let secured = front.tls.accept(client).await?;
        let (mut stream, startup) = match accept::negotiate(secured, Offer::Secured).await? {
            Negotiated::Startup(stream, startup) => (stream, startup),
            Negotiated::Cancel(mut stream, _) => {
                stream.shutdown().await?;
                return Ok(None);
            }
            _ => return Err(Failure::Malformed("TLS begins within TLS")),
        };
        let user = match startup.user() {
            Ok(user) => user.to_owned(),
            Err(failure) => {
                accept::refuse(&mut stream, &failure).await;
                return Err(failure);
            }
        };
        if startup.get("options").is_some() {
            let message = "Feature not supported: RDS Proxy currently doesn't support command-line options.";
            return refuse(&mut stream, "0A000", message).await;
        }
        let token = match accept::request_cleartext(&mut stream).await {
            Ok(token) => token,
            Err(failure) => {
                accept::refuse(&mut stream, &failure).await;
                return Err(failure);
            }
        };
        let shown = escape_control(&user);
        // AWS documents the messages, and no SQLSTATE.
        let (code, message) = match front.decide(&user, host, &token)? {
            Decision::Accepted => return Ok(Some(Client { stream, startup, user })),
            Decision::Denied => (
                "28000",
                format!(
                    "IAM authentication failed for user {shown}. Check the IAM token for this user and try again."
                ),
            ),
            Decision::Throttled => (
                "53300",
                format!("IAM authentication failed for user {shown} with too many competing requests."),
            ),
            Decision::NoSecret => (
                "28000",
                format!(
                    "This RDS proxy has no credentials for the role {shown}. Check the credentials for this role and \
                     try again."
                ),
            ),
        };
        refuse(&mut stream, code, &message).await
    }
}

async fn connect_as(front: &Front, startup: &Startup, user: &str) -> Result<Open<LoggedIn>, Failure> {
    let (upstream, endpoint) = (&front.upstream, front.upstream.endpoint());
    let mut stream = connect::start_tls(upstream.dial().await?, upstream).await?;
    let login = match front.login(user)? {
        Login::Token(tokens) => {
            let token = tokens.token().await.map_err(Failure::Credentials)?;
            let mut token = TokenAuthenticator::new(&token, user);
            connect::log_in(&mut stream, endpoint, startup, None, &mut token).await?
        }
        Login::Password(password) => {
            let mut password = PasswordAuthenticator::new(&password, user, endpoint);
            connect::log_in(&mut stream, endpoint, startup, None, &mut password).await?
        }
    };
    Ok(Open { stream, login })
}

/// Sends an error, and closes the connection.
async fn refuse<S, T>(client: &mut S, code: &str, message: &str) -> Result<T, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    client.write_all(&ErrorResponse::fatal(code, message).encode()).await?;
    client.shutdown().await?;
    Err(Failure::Denied(message.to_owned()))
}
