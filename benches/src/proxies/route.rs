//! The ways to a database that are compared.

use anyhow::Context as _;

use super::running::Program;
use super::target::{self, Target};
use super::{ours, peers};
use crate::database::{Database, Engine};

/// A way to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Over verified TLS, with a token.
    Direct,
    /// Through `rds-iam gateway`, which clients reach without TLS and without a password.
    Auth,
    /// Through the emulated RDS Proxy, over verified TLS, with a token for the proxy.
    Emulated,
    /// Through another project's proxy.
    Peer,
    /// The same as `Direct`, in the figures of the tunnel.
    NoTunnel,
    /// Through a tunnel, on this port of the loopback address.
    Tunnel(u16),
}

impl Kind {
    /// The ways of the proxies in the order of the report, `Direct` first.
    pub(super) const ALL: [Self; 4] = [Self::Direct, Self::Auth, Self::Emulated, Self::Peer];

    /// Returns the name in the figures.
    pub(super) fn name<E: Engine>(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Auth => "auth proxy",
            Self::Emulated => "emulated RDS Proxy",
            Self::Peer => peers::name(E::ENGINE),
            Self::NoTunnel => "no tunnel",
            Self::Tunnel(_) => "tunnel",
        }
    }

    /// Returns whether it is this project's proxy.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Auth | Self::Emulated)
    }
}

/// A way to a running database. Dropping it ends its program.
pub(super) struct Route {
    pub(super) kind: Kind,
    pub(super) target: Target,
    /// The program on the way.
    pub(super) program: Option<Program>,
}

impl Route {
    /// Starts the program, and waits until it serves.
    pub(super) async fn start<E: Engine>(kind: Kind, database: &Database<E>) -> anyhow::Result<Self> {
        let started = match kind {
            Kind::Direct | Kind::NoTunnel => target::direct(database).map(|target| (target, None)),
            Kind::Tunnel(port) => target::passed_through(database, port).map(|target| (target, None)),
            Kind::Auth => ours::auth(database).await.map(|(target, program)| (target, Some(program))),
            Kind::Emulated => ours::emulated(database).await.map(|(target, program)| (target, Some(program))),
            Kind::Peer => peers::start(database).await.map(|(target, program)| (target, Some(program))),
        };
        let (target, program) = started.with_context(|| format!("starting {}", kind.name::<E>()))?;
        Ok(Self { kind, target, program })
    }
}
