//! One client: its login, and the session after it.

use std::future::pending;

use rds_iam_infra::Engine;
use rds_iam_report::ErrorReport;
use rds_iam_token::{Token, TokenSource};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::limit::LAST_BYTES;
use crate::relay::{Ended, Relay};
use crate::state::{Counted, Served};
use crate::upstream::Secured;
use crate::{Failure, Frames, LocalPassword, mysql, postgres};

/// A session whose login is complete.
pub(crate) enum Opened<S> {
    MySql(Relay<S, Secured, mysql::ClientFrames, mysql::ServerFrames>),
    Postgres(
        Relay<S, Secured, postgres::ClientFrames, postgres::ServerFrames>,
        Option<postgres::CancelGuard>,
    ),
}

/// Logs a client in to the database. A client that is refused has been sent the error. Returns `None` for a cancel request,
/// which has been served. `full` is the reason if there is no permit for the session.
///
/// # Errors
/// Returns the reason why there is no session.
pub(crate) async fn open<S>(
    client: S,
    served: &Served,
    full: Option<Failure>,
) -> Result<Option<Opened<S>>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match served.target.engine {
        Engine::MySql => open_mysql(client, served, full).await.map(Some),
        Engine::Postgres => open_postgres(client, served, full).await,
    }
}

async fn open_mysql<S>(mut client: S, served: &Served, full: Option<Failure>) -> Result<Opened<S>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let target = &served.target;
    let refusal = match full {
        // The server is dialled before the client is known, since its greeting comes first. A client that leaves then, such
        // as a port scan, costs the server a login that was broken off, and after 100 in a row without a login it blocks
        // this host.
        None => served.admission.login(left(&mut client)).await.err(),
        full => full,
    };
    if matches!(refusal, Some(Failure::ClientGone)) {
        return Err(Failure::ClientGone);
    }
    if let Some(refusal) = refusal {
        let error = mysql::ErrorPacket::from_failure(&refusal);
        drop(timeout(LAST_BYTES, mysql::accept::refuse_before_greeting(&mut client, &error)).await);
        return Err(refusal);
    }
    let password = target.password.as_ref().map(LocalPassword::expose);
    let limit = target.limits.login;
    let session = mysql::session::open(client, &target.upstream, password, limit, async |login| {
        if login.database.is_none() {
            login.database = target.database.clone().map(String::into_bytes);
        }
        authorize(served, &login.user)
    });
    let session = session.await?;
    let (requests, answers) = (mysql::ClientFrames::new(), mysql::ServerFrames::new());
    Ok(Opened::MySql(Relay::new(session.client, session.upstream, requests, answers)))
}

async fn open_postgres<S>(
    client: S,
    served: &Served,
    full: Option<Failure>,
) -> Result<Option<Opened<S>>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let target = &served.target;
    let password = target.password.as_ref().map(LocalPassword::expose);
    let limit = target.limits.login;
    let opened =
        postgres::session::open(client, &target.upstream, &served.keys, password, limit, async |user| {
            if let Some(full) = full {
                return Err(full);
            }
            let tokens = authorize(served, user)?;
            served.admission.login(pending()).await?;
            Ok(tokens)
        });
    let Some(session) = opened.await? else { return Ok(None) };
    let (requests, answers) = (postgres::ClientFrames::new(()), postgres::ServerFrames::new(()));
    let relay = Relay::new(session.client, session.upstream, requests, answers);
    Ok(Some(Opened::Postgres(relay, session.cancel)))
}

/// Returns once a client of MySQL has left, or has sent something before the server's greeting.
async fn left<S: AsyncRead + Unpin>(client: &mut S) {
    // What it sent is no login, and is lost.
    drop(client.read(&mut [0; 1]).await);
}

/// Returns the tokens for a client that named the user `asked`, when it may log in.
fn authorize(served: &Served, asked: &str) -> Result<TokenSource, Failure> {
    let target = &served.target;
    target.tokens.source(&target.user.decide(asked)?)
}

/// Forwards a session until it ends, and logs why.
pub(crate) async fn run<S>(opened: Opened<S>, client: Counted, close: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match opened {
        Opened::MySql(relay) => forward(relay, &client, close, farewell_mysql).await,
        Opened::Postgres(relay, _cancel) => forward(relay, &client, close, farewell_postgres).await,
    }
}

/// The gateway's own reasons to end a session.
#[derive(Clone, Copy, Debug)]
enum Farewell {
    Ending,
    Idle,
}

impl Farewell {
    fn message(self) -> &'static str {
        match self {
            Self::Ending => "the gateway ends; connect again when it has started",
            Self::Idle => "the session was idle for longer than the gateway's limit; connect again",
        }
    }
}

/// Returns the packet with a reason. A client reads it as the answer to its next command, whose number is 1.
fn farewell_mysql(reason: Farewell) -> Vec<u8> {
    // ER_SERVER_SHUTDOWN, ER_CLIENT_INTERACTION_TIMEOUT.
    let (code, state) = match reason {
        Farewell::Ending => (1053, *b"08S01"),
        Farewell::Idle => (4031, *b"HY000"),
    };
    let error = mysql::ErrorPacket::new(code, state, reason.message());
    mysql::packet::encode(1, &error.payload()).0
}

fn farewell_postgres(reason: Farewell) -> Vec<u8> {
    // admin_shutdown, idle_session_timeout.
    let code = match reason {
        Farewell::Ending => "57P01",
        Farewell::Idle => "57P05",
    };
    postgres::ErrorResponse::fatal(code, reason.message()).encode()
}

async fn forward<S, Q, A>(
    mut relay: Relay<S, Secured, Q, A>,
    client: &Counted,
    mut close: watch::Receiver<bool>,
    farewell: fn(Farewell) -> Vec<u8>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    Q: Frames + Unpin,
    A: Frames + Unpin,
{
    let counts = &client.served.counts;
    relay.count(counts.received_from_clients.clone(), counts.received_from_database.clone());
    let listener = &client.served.target.name;
    let limit = client.served.target.limits.idle;
    loop {
        // A statement runs, however long that takes, while the last bytes are the client's.
        let since = if relay.awaits_answer() { Instant::now() } else { relay.last_active() };
        let idle_until = limit.and_then(|limit| since.checked_add(limit));
        let idle = async {
            match idle_until {
                Some(moment) => sleep_until(moment).await,
                None => pending().await,
            }
        };
        let reason = tokio::select! {
            ended = relay.run() => {
                match ended {
                    Ended::Refused(answer) => return relay.close(&answer).await,
                    Ended::UpstreamFailed(error) => {
                        tracing::warn!(listener, error = %ErrorReport(&error), "the database's connection failed");
                    }
                    Ended::ClientFailed(error) => {
                        tracing::debug!(listener, error = %ErrorReport(&error), "the client's connection failed");
                    }
                    Ended::Client | Ended::Upstream => tracing::debug!(listener, ?ended, "session ended"),
                }
                return relay.close(&[]).await;
            }
            () = async { drop(close.wait_for(|close| *close).await) } => Farewell::Ending,
            () = idle => {
                if relay.awaits_answer()
                    || limit.is_some_and(|limit| relay.last_active() + limit > Instant::now())
                {
                    continue;
                }
                tracing::info!(listener, "an idle session is closed");
                Farewell::Idle
            }
        };
        return relay.close(&farewell(reason)).await;
    }
}

/// Logs in as the user of the listener, and out again. Where each client names its user, only TLS is tested.
///
/// # Errors
/// Returns the reason why that failed.
pub(crate) async fn test_login(served: &Served) -> Result<(), Failure> {
    let target = &served.target;
    let Some(user) = target.user.named() else {
        let listener = &target.name;
        tracing::warn!(listener, "no login was tested, since each client names its user; TLS is verified");
        return match target.engine {
            Engine::MySql => mysql::session::test_tls(&target.upstream).await,
            Engine::Postgres => postgres::session::test_tls(&target.upstream).await,
        };
    };
    let source = target.tokens.source(user)?;
    let token: Token = source.token().await.map_err(Failure::Credentials)?;
    let database = target.database.as_deref();
    match target.engine {
        Engine::MySql => mysql::session::test(&target.upstream, user, database, &token).await,
        Engine::Postgres => postgres::session::test(&target.upstream, user, database, &token).await,
    }
}
