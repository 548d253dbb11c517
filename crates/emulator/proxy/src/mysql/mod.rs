//! MySQL's sessions: the client's login, a connection to the database for it, and its return.

mod password;
mod reset;
mod watch;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rds_iam_gateway::mysql::accept::{self, ClientLogin, First};
use rds_iam_gateway::mysql::connect::{self, Request, TokenAuthenticator};
use rds_iam_gateway::mysql::{ErrorPacket, Greeting, Offer, ServerFrames, packet};
use rds_iam_gateway::{Failure, Relay};
use rds_iam_report::escape_control;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::server::TlsStream;

use self::password::PasswordAuthenticator;
use self::watch::Watch;
use crate::backend::{BorrowError, Open, RETRY, borrow, give_back, is_passing, left};
use crate::forward::forward;
use crate::front::{Decision, Front, Login};
use crate::pool::Pool;
use crate::settings::Limits;

/// The payload of the OK packet of a login.
type OkPacket = Vec<u8>;

/// MySQL's sessions. Connections to the database are shared by sessions of the same user, database, capabilities and
/// collation.
pub(crate) struct Sessions {
    pool: Pool<Request, Open<OkPacket>>,
    /// The greeting of the database, once it has been read: clients are offered its version and capabilities.
    server: OnceCell<Greeting>,
    last_id: AtomicU32,
}

/// A client whose token was accepted.
struct Client {
    stream: TlsStream<TcpStream>,
    login: ClientLogin,
    /// The sequence number of the answer.
    sequence: u8,
}

impl Sessions {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            pool: Pool::new(limits.max_connections, limits.max_idle),
            server: OnceCell::new(),
            last_id: AtomicU32::new(0),
        }
    }

    pub(crate) fn counts(&self) -> (usize, usize) {
        self.pool.counts()
    }

    /// Serves a client to its end.
    pub(crate) async fn serve(
        &self,
        front: &Arc<Front>,
        mut client: TcpStream,
        host: IpAddr,
    ) -> Result<(), Failure> {
        let server = match self.server.get_or_try_init(|| greeting_of(front)).await {
            Ok(server) => server,
            Err(failure) => {
                accept::refuse_before_greeting(&mut client, &ErrorPacket::from_failure(&failure)).await?;
                return Err(failure);
            }
        };
        let limit = front.limits.login_timeout;
        let accepted = timeout(limit, self.accept(front, server, client, host)).await;
        let mut client = accepted.unwrap_or(Err(Failure::TimedOut(limit)))?;

        let request = Request::new(&client.login, &client.login.user, server);
        let connect = || connect_as(front, &request);
        let borrowing = borrow(&self.pool, &request, &front.counters, &front.limits, connect);
        let borrowed = tokio::select! {
            borrowed = borrowing => borrowed,
            () = left(client.stream.get_ref().0) => return Err(Failure::ClientGone),
        };
        let borrowed = match borrowed {
            Ok(borrowed) => borrowed,
            Err(error) => return refuse_borrow(&mut client, error).await,
        };
        accept::finish(&mut client.stream, client.sequence, &borrowed.connection.login).await?;

        let (requests, watch) = Watch::start(Arc::clone(front));
        let (open, loan) = borrowed.split();
        let relay = Relay::new(client.stream, open.stream, requests, ServerFrames::new());
        let farewell = ErrorPacket::new(1053, *b"08S01", "Server shutdown in progress");
        let left = forward(relay, front.close.clone(), packet::encode(1, &farewell.payload()).0).await;
        match left {
            Some(stream) if watch.can_be_reset() => {
                let borrowed = loan.join(Open { stream, login: open.login });
                give_back(&self.pool, borrowed, async |request, stream| reset::reset(request, stream).await)
                    .await;
            }
            _ => drop(loan),
        }
        Ok(())
    }

    /// Performs a client's login up to its last packet. A client that is refused has been sent the error.
    async fn accept(
        &self,
        front: &Front,
        server: &Greeting,
        mut client: TcpStream,
        host: IpAddr,
    ) -> Result<Client, Failure> {
        let id = self.last_id.fetch_add(1, Relaxed).wrapping_add(1);
        let greeting = Greeting::new(&server.version(), id)?
            .limited_to(server.capabilities())
            .for_client(Offer { tls: true });
        accept::greet(&mut client, &greeting).await?;
        match accept::read_first(&mut client).await {
            Ok(First::Tls) => {}
            Ok(First::Login(login)) => {
                let error = ErrorPacket::new(3159, *b"HY000", "This RDS Proxy requires TLS connections.");
                accept::refuse(&mut client, login.sequence, &error).await?;
                return Err(Failure::Denied("the client uses no TLS".into()));
            }
            Err(failure) => return refuse_first(&mut client, 2, failure).await,
        }
        let mut stream = front.tls.accept(client).await?;
        let login = match accept::read_login(&mut stream).await {
            Ok(login) => login,
            Err(failure) => return refuse_first(&mut stream, 3, failure).await,
        };
        let (token, sequence) = match accept::request_cleartext(&mut stream, &login).await {
            Ok(answered) => answered,
            Err(failure) => return refuse_first(&mut stream, login.sequence, failure).await,
        };
        let error = match front.decide(&login.user, host, &token)? {
            Decision::Accepted => return Ok(Client { stream, login, sequence }),
            Decision::Throttled => {
                ErrorPacket::new(1040, *b"08004", "IAM authentication rate limit exceeded")
            }
            Decision::Denied | Decision::NoSecret => access_denied(&login.user),
        };
        accept::refuse(&mut stream, sequence, &error).await?;
        Err(Failure::Denied(format!("the login of {} was refused", escape_control(&login.user))))
    }
}

/// Reads the database's greeting, and waits for a database that restarts until the borrow timeout.
async fn greeting_of(front: &Front) -> Result<Greeting, Failure> {
    let deadline = Instant::now() + front.limits.borrow_timeout;
    let limit = front.limits.login_timeout;
    loop {
        let read = timeout(limit, greeting(front)).await.unwrap_or(Err(Failure::TimedOut(limit)));
        match read {
            Err(failure) if is_passing(&failure) && Instant::now() + RETRY < deadline => sleep(RETRY).await,
            read => return read,
        }
    }
}

/// Reads the database's greeting on a connection of its own, which ends before a login.
async fn greeting(front: &Front) -> Result<Greeting, Failure> {
    let mut stream = front.upstream.dial().await?;
    connect::greeting(&mut stream, front.upstream.endpoint()).await
}

async fn connect_as(front: &Front, request: &Request) -> Result<Open<OkPacket>, Failure> {
    let (upstream, endpoint) = (&front.upstream, front.upstream.endpoint());
    let mut stream = upstream.dial().await?;
    let greeting = connect::greeting(&mut stream, endpoint).await?;
    if !greeting.capabilities().contains(request.capabilities) {
        let what = "its capabilities have changed since the proxy started";
        return Err(Failure::Unexpected { endpoint: endpoint.clone(), what });
    }
    let mut stream = connect::start_tls(stream, &greeting, request, upstream).await?;
    let login = match front.login(&request.user)? {
        Login::Token(tokens) => {
            let token = tokens.token().await.map_err(Failure::Credentials)?;
            let mut token = TokenAuthenticator::new(&token, &request.user, endpoint);
            connect::log_in(&mut stream, &greeting, request, endpoint, &mut token).await?
        }
        Login::Password(password) => {
            let mut password = PasswordAuthenticator::new(&password, greeting.nonce(), endpoint);
            connect::log_in(&mut stream, &greeting, request, endpoint, &mut password).await?
        }
    };
    Ok(Open { stream, login })
}

/// Sends a client whose login can't be read the reason.
async fn refuse_first<S, T>(client: &mut S, sequence: u8, failure: Failure) -> Result<T, Failure>
where
    S: AsyncWrite + Unpin,
{
    accept::refuse(client, sequence, &ErrorPacket::from_failure(&failure)).await?;
    Err(failure)
}

fn access_denied(user: &str) -> ErrorPacket {
    let message = format!("Access denied for user '{}'@'%' (using password: YES)", escape_control(user));
    ErrorPacket::new(1045, *b"28000", &message)
}

async fn refuse_borrow(client: &mut Client, error: BorrowError) -> Result<(), Failure> {
    let (packet, failure) = match error {
        BorrowError::TimedOut => {
            let message = "Timed-out waiting to acquire database connection";
            (ErrorPacket::new(9501, *b"HY000", message), Failure::Denied(message.to_owned()))
        }
        // RDS Proxy does not tell why its own login was refused; its log does.
        BorrowError::Failed(failure @ (Failure::Refused { .. } | Failure::Denied(_))) => {
            (access_denied(&client.login.user), failure)
        }
        BorrowError::Failed(failure) => (ErrorPacket::from_failure(&failure), failure),
    };
    accept::refuse(&mut client.stream, client.sequence, &packet).await?;
    Err(failure)
}
