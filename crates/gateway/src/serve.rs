//! The auth proxy: listeners that accept clients, and the drain at its end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rds_iam_report::ErrorReport;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::limit::{ACCEPT_PAUSE, Admission};
use crate::listen::{Client, Listener};
use crate::metrics::Metrics;
use crate::state::{Counted, Row, Served, Status, Target, Watched};
use crate::{Address, Failure, ListenError, admin, session};

/// The time in which sessions are closed after the drain's deadline: 5 seconds.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// An auth proxy whose listeners are open. Clients wait until it serves.
#[derive(Debug)]
pub struct Gateway {
    listeners: Vec<(Listener, Arc<Served>)>,
    watched: Arc<Watched>,
}

impl Gateway {
    /// Opens the listeners of all targets.
    ///
    /// # Errors
    /// Returns the first [`ListenError`]; nothing is open then.
    pub async fn bind(targets: Vec<Target>) -> Result<Self, ListenError> {
        let metrics = Metrics::new();
        let mut listeners = Vec::new();
        for target in targets {
            let listener = Listener::bind(&target.address).await?;
            let address = listener
                .address()
                .map_err(|source| ListenError::System { address: target.address.clone(), source })?;
            let served = Arc::new(Served {
                admission: Admission::new(target.limits),
                counts: metrics.listener(&target.name),
                keys: Default::default(),
                address,
                target,
            });
            listeners.push((listener, served));
        }
        let served = listeners.iter().map(|(_, served)| Arc::clone(served)).collect();
        let watched = Watched {
            metrics,
            served,
            status: watch::Sender::new(Status::Starting),
            clients: watch::Sender::new(0),
            quit: Notify::new(),
        };
        Ok(Self { listeners, watched: Arc::new(watched) })
    }

    /// Returns the address of each target, in their order; no port is 0.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.listeners.iter().map(|(_, served)| &served.address)
    }

    /// Signs a token for each target whose user is known, so that missing credentials are reported before the first client.
    ///
    /// # Errors
    /// Returns the target's name and the error of the first that has none.
    pub async fn sign(&self) -> Result<(), (String, Failure)> {
        for (_, served) in &self.listeners {
            let target = &served.target;
            let Some(user) = target.user.named() else { continue };
            let in_target = |failure| (target.name.clone(), failure);
            let source = target.tokens.source(user).map_err(in_target)?;
            source.token().await.map_err(|error| in_target(Failure::Credentials(error)))?;
        }
        Ok(())
    }

    /// Logs in to the database of each target, and out again. Where each client names its user, only TLS is tested, which is
    /// logged.
    ///
    /// # Errors
    /// Returns the target's name and the reason of the first login that fails.
    pub async fn test_logins(&self) -> Result<(), (String, Failure)> {
        for (_, served) in &self.listeners {
            let in_target = |failure| (served.target.name.clone(), failure);
            let limit = served.target.limits.login;
            let login = timeout(limit, session::test_login(served)).await;
            login.unwrap_or(Err(Failure::TimedOut(limit))).map_err(in_target)?;
        }
        Ok(())
    }

    /// Opens the port of the HTTP endpoints: probes, metrics and the request to end. It is served until the gateway ends.
    ///
    /// # Errors
    /// Returns an error if the port can't be opened.
    pub async fn serve_admin(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        tokio::spawn(admin::serve(listener, Arc::clone(&self.watched)));
        Ok(address)
    }

    /// Returns a reader of the listeners' counters, which stays valid while the gateway serves.
    pub fn rows(&self) -> impl Fn() -> Vec<Row> + Send + 'static {
        let watched = Arc::clone(&self.watched);
        move || watched.served.iter().map(|served| served.row()).collect()
    }

    /// Serves until `stop` ends or an HTTP request asks for the end. Then it drains: clients are still accepted, so that
    /// what depends on the gateway can end in any order, until none is left, `deadline` has passed or `at_once` ends. Then
    /// each session is closed with an error that says so.
    pub async fn serve(
        self,
        stop: impl Future<Output = ()>,
        at_once: impl Future<Output = ()>,
        deadline: Duration,
    ) {
        let Self { listeners, watched } = self;
        let (close, _) = watch::channel(false);
        let mut accepting = JoinSet::new();
        for (listener, served) in listeners {
            accepting.spawn(accept(listener, served, Arc::clone(&watched), close.clone()));
        }
        watched.status.send_replace(Status::Serving);
        tokio::select! {
            () = stop => {}
            () = watched.quit.notified() => {}
        }
        watched.status.send_replace(Status::Draining);
        let mut clients = watched.clients.subscribe();
        tracing::info!(sessions = *clients.borrow(), deadline_s = deadline.as_secs(), "draining");
        tokio::select! {
            _ = clients.wait_for(|open| *open == 0) => {}
            () = sleep(deadline) => {}
            () = at_once => {}
        }
        accepting.shutdown().await;
        close.send_replace(true);
        let closed = timeout(CLOSE_DEADLINE, clients.wait_for(|open| *open == 0)).await;
        if closed.is_err() {
            tracing::warn!("some sessions did not end in {} s", CLOSE_DEADLINE.as_secs());
        }
    }
}

/// Accepts clients until its task is ended; their sessions go on.
async fn accept(listener: Listener, served: Arc<Served>, watched: Arc<Watched>, close: watch::Sender<bool>) {
    loop {
        match listener.accept().await {
            Ok(Client::Tcp(stream)) => {
                serve_client(stream, Counted::new(&served, &watched), close.subscribe());
            }
            Ok(Client::Unix(stream)) => {
                serve_client(stream, Counted::new(&served, &watched), close.subscribe());
            }
            Err(error) => {
                tracing::warn!(listener = served.target.name, %error, "a client could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn serve_client<S>(stream: S, mut client: Counted, close: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let full = client.take_permit().err();
        let served = &client.served;
        let started = Instant::now();
        match session::open(stream, served, full).await {
            Ok(Some(opened)) => {
                served.counts.opened(started.elapsed());
                // The session has a task of its own: the login's memory is given back.
                tokio::spawn(session::run(opened, client, close));
            }
            Ok(None) => {}
            Err(failure) => {
                let listener = &served.target.name;
                match failure {
                    // A port scan, or a probe of the port.
                    Failure::ClientGone => tracing::debug!(listener, "a client left before its login"),
                    failure => {
                        served.counts.failed(failure.reason());
                        tracing::warn!(listener, reason = failure.reason(), error = %ErrorReport(&failure), "login failed");
                    }
                }
            }
        }
    });
}
