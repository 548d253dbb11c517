//! The database that sessions log in to: the address that is dialled, the name that TLS verifies, and the endpoint that
//! tokens are signed for.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rds_iam_roots::Roots;
use rds_iam_token::{Endpoint, Host};
use rustix::net::sockopt;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::Failure;

/// The time limit for a TCP connection, and for the TLS handshake after it: 10 seconds each.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The silence after which the system asks the database whether it is there: 30 seconds; then every 10 seconds, and the
/// connection fails at the third question without an answer.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_PROBES: u32 = 3;

/// A connection to the database over verified TLS.
pub type Secured = tokio_rustls::client::TlsStream<TcpStream>;

/// One database endpoint. Its TLS sessions are resumed, so that only the first connection pays for a full handshake.
#[derive(Clone)]
pub struct Upstream {
    endpoint: Endpoint,
    dial: Endpoint,
    name: ServerName<'static>,
    tls: TlsConnector,
}

impl Upstream {
    /// Creates an upstream for `endpoint`, whose certificate must be issued by one of `roots`. `dial` is the address to
    /// connect to where that differs, as through a tunnel: it is dialled only, never verified.
    ///
    /// # Errors
    /// Returns an error if a root can't be used, or the host is no name that a certificate can have.
    pub fn new(endpoint: Endpoint, dial: Option<Endpoint>, roots: &Roots) -> io::Result<Self> {
        let (tls, name) = (connector(roots)?, server_name(&endpoint)?);
        let dial = dial.unwrap_or_else(|| endpoint.clone());
        Ok(Self { endpoint, dial, name, tls })
    }

    /// Returns the endpoint that tokens are signed for, and whose name is verified.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the address that is dialled.
    #[must_use]
    pub fn dialled(&self) -> &Endpoint {
        &self.dial
    }

    /// Opens a TCP connection with `TCP_NODELAY`. Nothing has been sent on it.
    ///
    /// # Errors
    /// Returns [`Failure::Unreachable`] if there is none within 10 seconds.
    pub async fn dial(&self) -> Result<TcpStream, Failure> {
        let unreachable = |source| Failure::Unreachable { dialled: self.dial.clone(), source };
        let host = self.dial.host().to_string();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect((host, self.dial.port()))).await;
        let stream = connected
            .map_err(|_| unreachable(timed_out("connecting")))
            .and_then(|connected| connected.map_err(unreachable))?;
        stream.set_nodelay(true).map_err(unreachable)?;
        keep_alive(&stream).map_err(|error| unreachable(error.into()))?;
        Ok(stream)
    }

    /// Performs the TLS handshake, and verifies the endpoint's name. The protocol's request for TLS has been answered.
    ///
    /// # Errors
    /// Returns [`Failure::Tls`] if the certificate can't be verified, or the handshake takes over 10 seconds.
    pub async fn secure(&self, stream: TcpStream) -> Result<Secured, Failure> {
        let handshake = self.tls.connect(self.name.clone(), stream);
        let secured =
            timeout(CONNECT_TIMEOUT, handshake).await.unwrap_or_else(|_| Err(timed_out("the TLS handshake")));
        secured.map_err(|source| Failure::Tls { endpoint: self.endpoint.clone(), source })
    }
}

/// Lets the system find out that the database is gone without a word: clients do so on their own connections, which end at
/// the gateway. There is no `TCP_USER_TIMEOUT`: it would also end a connection whose database is there, and reads nothing
/// while a statement runs.
fn keep_alive(stream: &TcpStream) -> rustix::io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEP_ALIVE)?;
    sockopt::set_tcp_keepintvl(stream, KEEP_ALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEP_ALIVE_PROBES)?;
    Ok(())
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("endpoint", &self.endpoint)
            .field("dial", &self.dial)
            .finish_non_exhaustive()
    }
}

/// Returns the TLS client that trusts `roots` alone.
fn connector(roots: &Roots) -> io::Result<TlsConnector> {
    let mut store = RootCertStore::empty();
    for root in roots.iter() {
        store.add(CertificateDer::from_slice(root.der())).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Returns the name of an endpoint that its certificate must have.
fn server_name(endpoint: &Endpoint) -> io::Result<ServerName<'static>> {
    Ok(match endpoint.host() {
        Host::V4(address) => ServerName::from(IpAddr::from(*address)),
        Host::V6(address) => ServerName::from(IpAddr::from(*address)),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(io::Error::other)?,
    })
}

fn timed_out(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!("{what} took longer than {} s", CONNECT_TIMEOUT.as_secs()),
    )
}
