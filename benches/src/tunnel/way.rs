//! The ways to the target that are compared.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use rds_iam_tunnel::{Listener, Tunnel};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Setup;
use super::ssh::{Forward, Ssh};

/// The number of sessions of the second tunnel.
pub(super) const SESSIONS: usize = 4;

/// A way to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Direct,
    /// A port whose connections are copied to the target, without a protocol between.
    Loop,
    Ssh,
    Tunnel,
    /// A tunnel with several sessions.
    Sessions,
}

impl Kind {
    /// The ways in the order of the report, `Direct` first.
    pub(super) const ALL: [Self; 5] = [Self::Direct, Self::Loop, Self::Ssh, Self::Tunnel, Self::Sessions];

    /// Returns the name in the figures.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Loop => "copy loop",
            Self::Ssh => "ssh -L",
            Self::Tunnel => "tunnel",
            Self::Sessions => "tunnel of 4 sessions",
        }
    }

    pub(super) fn is_tunnel(self) -> bool {
        matches!(self, Self::Tunnel | Self::Sessions)
    }
}

/// An open way. Dropping it ends its program or its tasks.
pub(super) struct Way {
    pub(super) kind: Kind,
    address: SocketAddr,
    means: Means,
}

/// What a way consists of.
enum Means {
    Nothing,
    Loop { _tasks: JoinSet<()> },
    Ssh { server: Box<Ssh>, _client: Box<Forward> },
    Tunnel { _listener: Listener, tunnel: Tunnel },
}

impl Way {
    /// Opens a way, and waits until it leads to the target.
    pub(super) async fn open(kind: Kind, setup: &Setup) -> anyhow::Result<Self> {
        let target = setup.target.address();
        let (address, means) = match kind {
            Kind::Direct => (target, Means::Nothing),
            Kind::Loop => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                let address = listener.local_addr()?;
                let mut tasks = JoinSet::new();
                tasks.spawn(copy(listener, target));
                (address, Means::Loop { _tasks: tasks })
            }
            Kind::Ssh => {
                let server = Ssh::start().await?;
                let client = server.forward(target).await?;
                (client.address, Means::Ssh { server: Box::new(server), _client: Box::new(client) })
            }
            Kind::Tunnel | Kind::Sessions => {
                let tunnel = setup.tunnel(if kind == Kind::Sessions { SESSIONS } else { 1 }).await?;
                let listener = Listener::bind(tunnel.clone(), (Ipv4Addr::LOCALHOST, 0).into()).await?;
                (listener.address(), Means::Tunnel { _listener: listener, tunnel })
            }
        };
        Ok(Self { kind, address, means })
    }

    /// Returns `sshd`, if it is on this way.
    pub(super) fn ssh(&self) -> Option<&Ssh> {
        match &self.means {
            Means::Ssh { server, .. } => Some(server),
            _ => None,
        }
    }

    pub(super) async fn connect(&self) -> anyhow::Result<TcpStream> {
        connect(self.address).await.with_context(|| format!("connecting through {}", self.kind.name()))
    }

    pub(super) async fn close(self) {
        if let Means::Tunnel { tunnel, .. } = &self.means {
            tunnel.close().await;
        }
    }
}

/// Connects, and sends small writes at once.
pub(super) async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Copies the connections of a port to the target.
async fn copy(listener: TcpListener, target: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                connections.spawn(async move {
                    // The client, which checks what it receives, gets the end of the connection.
                    copy_one(stream, target).await.ok();
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn copy_one(mut client: TcpStream, target: SocketAddr) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut target = connect(target).await?;
    copy_bidirectional(&mut client, &mut target).await.map(drop)
}
