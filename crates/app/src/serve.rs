//! Service lifecycle: startup checks, serving, graceful shutdown.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use rds_iam_infra::Engine;
use rds_iam_report::ErrorReport;
use rds_iam_sqlx::{Builder, Pool};
use rds_iam_token::{Login, MintError, TokenSource};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::accept::accept;
use crate::clients::ClientLimits;
use crate::{AppState, Config, Database, management_router, router};

/// The time limit for requests in progress after the first signal: 20 seconds, below the 30 s that ECS and
/// Kubernetes wait before they kill.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(20);

/// The largest number of clients on the management port: 64.
const MAX_PROBES: usize = 64;

/// The time limit for closing the pool's connections: 3 seconds.
const CLOSE_DEADLINE: Duration = Duration::from_secs(3);

/// The error of a service that did not start, or ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// There are no credentials to sign tokens with, and a retry does not help.
    #[error("tokens can't be signed")]
    Credentials {
        /// The cause, with help.
        source: MintError,
    },
    /// A port could not be opened.
    #[error(
        "can't listen on {address}: is another program there? {variable} and RDS_IAM_BIND choose another"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The environment variable that chooses the port.
        variable: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// A setting of the pool can't be used.
    #[error("the database pool could not be made")]
    Pool {
        /// The settings and the causes.
        #[from]
        source: rds_iam_sqlx::Error,
    },
    /// The system accepts no signal handler, or does not return a port's address.
    #[error("system error in a signal handler or a listening socket")]
    System {
        /// The system's error.
        #[from]
        source: io::Error,
    },
}

/// Serves until SIGTERM or Ctrl-C, then finishes requests in progress; a second signal ends it at once.
///
/// The database need not answer yet: until it does, `/readyz` reports the cause.
///
/// # Errors
/// Returns [`RunError`] if it cannot start. [`RunError::Credentials`] is an error of the configuration.
pub async fn run(config: Config) -> Result<(), RunError> {
    for origin in &config.origins {
        tracing::info!("{origin}");
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let pool: Database = match config.engine {
        Engine::MySql => pool::<sqlx::MySql>(&config).await?.into(),
        Engine::Postgres => pool::<sqlx::Postgres>(&config).await?.into(),
    };
    let state = AppState::new(pool, config.permit());

    let listeners = Listeners {
        public: listen(config.listen, "PORT").await?,
        management: listen(config.management, "RDS_IAM_MANAGEMENT_PORT").await?,
    };
    serve(listeners, ClientLimits::default(), state, signals()?).await
}

/// The two open ports.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "a third port would be a new setting")]
pub struct Listeners {
    /// The public port: the page and the API.
    pub public: TcpListener,
    /// The management port: probes, metrics and identity.
    pub management: TcpListener,
}

async fn listen(address: SocketAddr, variable: &'static str) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, variable, source })
}

/// Checks that the settings provide credentials that sign a token.
///
/// # Errors
/// Returns [`RunError::Credentials`] if they provide none, or wrong ones.
pub async fn check_credentials(config: &Config) -> Result<(), RunError> {
    let tokens = match config.engine {
        Engine::MySql => settings::<sqlx::MySql>(config).sign_on_demand().token_source()?,
        Engine::Postgres => settings::<sqlx::Postgres>(config).sign_on_demand().token_source()?,
    };
    tokens.token().await.map(drop).map_err(|source| RunError::Credentials { source })
}

/// Signs the first token, and returns a pool that has no connection yet.
async fn pool<DB: rds_iam_sqlx::Engine>(config: &Config) -> Result<Pool<DB>, RunError> {
    let tokens = settings::<DB>(config).token_source()?;
    first_token(&tokens).await?;
    Ok(settings::<DB>(config).tokens(tokens).connect_lazy()?)
}

/// Returns the pool's settings. It signs with the SDK's default credentials.
fn settings<DB: rds_iam_sqlx::Engine>(config: &Config) -> Builder<DB> {
    let Login { endpoint, region, user, .. } = &config.login;
    Pool::builder(endpoint, user)
        .region(region)
        .database(config.database.as_str())
        .dial(&config.dial)
        .root_certificates(config.roots.clone())
        .max_connections(config.pool_max)
}

/// Signs the first token. A retryable error does not prevent the start.
async fn first_token(tokens: &TokenSource) -> Result<(), RunError> {
    match tokens.token().await {
        Ok(_) => Ok(()),
        Err(error) if error.is_retryable() => {
            tracing::warn!(error = %ErrorReport(&error), "no token yet; will try again");
            Ok(())
        }
        Err(source) => Err(RunError::Credentials { source }),
    }
}

/// Serves on two open ports until `stop` receives a message; then accepts no more connections, finishes the requests
/// in progress for at most 20 s or until a second message, and closes the pool. `limits` apply to each port
/// separately, with at most 64 clients on the management port.
///
/// # Errors
/// Returns [`RunError::System`] if a listener has no address.
pub async fn serve(
    listeners: Listeners,
    limits: ClientLimits,
    state: AppState,
    mut stop: mpsc::Receiver<()>,
) -> Result<(), RunError> {
    let Listeners { public, management } = listeners;
    let (address, management_address) = (public.local_addr()?, management.local_addr()?);
    tracing::info!(%address, management = %management_address, user = state.user(), "serving");
    let pool = state.pool().clone();
    let connections = GracefulShutdown::new();
    let probes = ClientLimits { clients: limits.clients.min(MAX_PROBES), ..limits };
    tokio::select! {
        () = accept(public, router(state.clone()), limits, &connections) => {}
        () = accept(management, management_router(state), probes, &connections) => {}
        _ = stop.recv() => {}
    }
    let under_way = connections.count();
    tracing::info!(connections = under_way, "stopping: the ports are closed; finishing requests under way");
    let (cut, at_once) = tokio::select! {
        () = connections.shutdown() => (None, false),
        () = tokio::time::sleep(SHUTDOWN_DEADLINE) => (Some("the deadline has passed"), false),
        Some(()) = stop.recv() => (Some("a second signal came"), true),
    };
    if let Some(reason) = cut {
        tracing::warn!(reason, "stopping at once: requests under way are lost");
    }
    if at_once {
        return Ok(());
    }
    tokio::select! {
        closed = timeout(CLOSE_DEADLINE, pool.close()) => if closed.is_err() {
            tracing::warn!("some database connections were in use to the end and were cut");
        },
        Some(()) = stop.recv() => {}
    }
    tracing::info!("stopped");
    Ok(())
}

/// Sends a message for each SIGTERM and each Ctrl-C.
fn signals() -> io::Result<mpsc::Receiver<()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if sender.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
