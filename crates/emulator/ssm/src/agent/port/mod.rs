//! Port forwarding: the target, and the choice between mux and basic mode.

mod basic;
mod mux;

use std::cmp::Ordering;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use rds_iam_tunnel::message::PayloadType;
use tokio::net::TcpStream;

use basic::Basic;
use mux::Mux;

use super::Context;
use crate::stats::{Counted, count};
use crate::version::compare;

/// The last version of the agent without mux mode.
const LAST_BASIC_AGENT: &str = "3.0.196.0";

/// The first version of the client with mux mode.
const FIRST_MUX_CLIENT: &str = "1.1.70";

/// The last version of the client to which the agent sends keep-alives.
const LAST_KEEP_ALIVE_CLIENT: &str = "1.2.331.0";

/// The forwarding of a session.
pub(super) enum Forwarding {
    Mux(Mux),
    Basic(Basic),
}

impl Forwarding {
    /// Processes a message of the client. Returns the session's output if it cannot continue.
    pub(super) async fn handle(
        &mut self,
        context: &Context,
        payload_type: PayloadType,
        payload: Bytes,
    ) -> Result<(), String> {
        match self {
            Self::Mux(mux) => mux.handle(payload_type, payload).await,
            Self::Basic(basic) => basic.handle(context, payload_type, payload).await?,
        }
        Ok(())
    }
}

/// The host that the agent forwards to.
struct Target {
    host: Option<String>,
    port: u16,
    /// The addresses of the host, resolved once.
    addresses: Vec<SocketAddr>,
}

/// Starts forwarding. Returns the session's output if the agent refuses.
pub(super) async fn start(
    context: &Context,
    client_version: &str,
    host: Option<&str>,
    port: u16,
) -> Result<Forwarding, String> {
    let settings = &context.service.settings;
    let addresses = match host {
        Some(host) => settings.hosts.resolve(host, port).await.unwrap_or_default(),
        None => Vec::new(),
    };
    if let Some(host) = host
        && addresses.iter().any(|address| settings.forbids(address.ip()))
    {
        return Err(format!("Forwarding to IP address {host} is forbidden."));
    }
    let target = Arc::new(Target { host: host.map(str::to_owned), port, addresses });
    let agent_version = &context.session.instance.agent_version;
    let has_mux = compare(agent_version, LAST_BASIC_AGENT) == Ordering::Greater
        && compare(client_version, FIRST_MUX_CLIENT) != Ordering::Less;
    if has_mux {
        let keeps_alive = compare(client_version, LAST_KEEP_ALIVE_CLIENT) != Ordering::Greater;
        Ok(Forwarding::Mux(Mux::start(context, target, keeps_alive)))
    } else {
        Basic::start(context, target).await.map(Forwarding::Basic)
    }
}

impl Target {
    /// Connects to the first address that accepts.
    async fn dial(&self, context: &Context) -> io::Result<Connection> {
        let counters = &context.service.counters;
        match self.connect(context).await {
            Ok(stream) => {
                count(&counters.dialled);
                // A failure only delays packets.
                stream.set_nodelay(true).ok();
                Ok(Connection { stream, count: Counted::new(&counters.streams) })
            }
            Err(error) => {
                count(&counters.failed);
                tracing::debug!(host = self.host, port = self.port, %error, "the agent cannot connect");
                Err(error)
            }
        }
    }

    async fn connect(&self, context: &Context) -> io::Result<TcpStream> {
        let local;
        let addresses = if self.host.is_some() {
            &self.addresses
        } else {
            local = context.service.settings.hosts.resolve("localhost", self.port).await?;
            &local
        };
        // The error of the first address is the most relevant.
        let mut first = None;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "missing address")))
    }
}

/// A connection to the target.
struct Connection {
    stream: TcpStream,
    count: Counted,
}
