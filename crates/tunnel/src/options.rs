//! The settings of a tunnel or a shell.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::{ClientConfig, RootCertStore};

use crate::TunnelError;

/// The settings of a tunnel or a shell. The times are for tests; the defaults suit the service. A shell has one session,
/// and waits for its program without a limit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The sessions over which streams are spread. One that stalls leaves the others.
    pub sessions: usize,
    /// The most bytes in one message. Official ends send at most 1,024; the agent accepts more, and the service's limit
    /// is not documented.
    pub chunk: usize,
    /// The time within which a session's handshake is complete, its connection included.
    pub handshake: Duration,
    /// The silence after which the service is sent a ping. The connection is taken to be lost after three times as long
    /// (45 s), or, if the service has never answered a ping, after twenty times as long (5 min): it may have nothing
    /// else to send.
    ///
    /// After a suspension of the machine, a third of it is enough. The clocks are compared that often (5 s). A service
    /// that answers pings then has the same time to answer one; with another one, the session is resumed at once.
    pub silence: Duration,
    /// The time within which a local program has to read 1 MiB while its stream's buffer is full, and its session has
    /// other streams, which wait.
    pub stuck: Duration,
    /// The first pause before `ResumeSession` is repeated. It doubles up to 5 s.
    pub pause: Duration,
    /// The wall clock. By how much it advances more than the monotonic clock shows that the machine was suspended:
    /// timers do not count that time on Linux and macOS.
    pub wall_clock: fn() -> SystemTime,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sessions: 1,
            chunk: 1024,
            handshake: Duration::from_secs(30),
            silence: Duration::from_secs(15),
            stuck: Duration::from_secs(5),
            pause: Duration::from_millis(100),
            wall_clock,
        }
    }
}

/// Returns the time of the system.
#[expect(
    clippy::disallowed_methods,
    reason = "no expiry is decided by it: it is written into messages, and shows suspensions"
)]
pub(crate) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// The most bytes of a message.
const MAX_CHUNK: usize = 64 * 1024;

impl Options {
    /// Checks the bytes of a message.
    pub(crate) fn check_chunk(&self) -> Result<(), TunnelError> {
        if (1..=MAX_CHUNK).contains(&self.chunk) {
            return Ok(());
        }
        Err(TunnelError::Option("the bytes of a message have to be from 1 to 65,536"))
    }
}

/// Returns a TLS configuration that trusts the authorities of this machine, as AWS's own clients do. `SSL_CERT_FILE`
/// replaces them.
///
/// # Errors
/// Returns [`TunnelError::Roots`] if there are none.
pub fn native_tls() -> Result<Arc<ClientConfig>, TunnelError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Machines have certificates that rustls cannot read; one that is needed shows at the connection.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(TunnelError::Roots { source: found.errors.into_iter().next() });
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TunnelError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
