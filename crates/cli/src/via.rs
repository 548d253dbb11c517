//! The tunnel of `tunnel` and `connect --via`: a session through an instance, behind a local port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::time::Duration;

use rds_iam_token::{Endpoint, Region};
use rds_iam_tunnel::{AwsApi, Listener, Options, Remote, Tunnel, Via, native_tls, wait_for_ends};
use tokio::time::timeout;

use crate::Failure;
use crate::credentials::CredentialsOptions;

/// A free port of this machine.
pub(crate) const FREE_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The longest time that the end of a tunnel is waited for: 5 seconds. AWS ends a session that was left when it is idle.
const END: Duration = Duration::from_secs(5);

/// The most sessions of one tunnel.
const MAX_SESSIONS: usize = 16;

/// Returns the number of sessions.
pub(crate) fn sessions(text: &str) -> Result<NonZero<usize>, &'static str> {
    let number = text.parse().ok().filter(|number: &NonZero<usize>| number.get() <= MAX_SESSIONS);
    number.ok_or("expected a number from 1 to 16")
}

/// A tunnel whose near end is a local port.
pub(crate) struct LocalTunnel {
    tunnel: Tunnel,
    listener: Listener,
}

impl LocalTunnel {
    /// Finds the instance, starts the sessions and opens the port. Leaves no session if that fails or `stop` ends first,
    /// in which case it returns `None`.
    pub(crate) async fn open(
        via: &Via,
        to: &Endpoint,
        listen: SocketAddr,
        sessions: NonZero<usize>,
        region: &Region,
        credentials: &CredentialsOptions,
        stop: impl Future<Output = ()>,
    ) -> Result<Option<Self>, Failure> {
        let opening = async {
            let api = AwsApi::new(&credentials.connect(region).await?);
            let target = api.instance(via).await?;
            let remote = Remote { target, host: to.host().to_string(), port: to.port() };
            let mut options = Options::default();
            options.sessions = sessions.get();
            let tunnel = Tunnel::start(api, remote, native_tls()?, options).await?;
            let listener = Listener::bind(tunnel.clone(), listen).await?;
            Ok(Self { tunnel, listener })
        };
        let opened = tokio::select! {
            opened = opening => opened.map(Some),
            () = stop => Ok(None),
        };
        if !matches!(opened, Ok(Some(_))) && !wait_for_ends(END).await {
            warn_of_rest();
        }
        opened
    }

    /// Returns the address of the port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Returns what is at the other end.
    pub(crate) fn remote(&self) -> &Remote {
        self.tunnel.remote()
    }

    /// Closes the port and its connections, and ends the sessions.
    pub(crate) async fn close(self) {
        drop(self.listener);
        let closing = async {
            self.tunnel.close().await;
            // A session that was being replaced, or started in place of one.
            wait_for_ends(END).await
        };
        if !timeout(END, closing).await.unwrap_or(false) {
            warn_of_rest();
        }
    }
}

fn warn_of_rest() {
    let seconds = END.as_secs();
    tracing::warn!("a session of the tunnel has not ended within {seconds} s; AWS ends it when it is idle");
}
