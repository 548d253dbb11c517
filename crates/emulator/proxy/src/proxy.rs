//! A running proxy: accepts clients until it is dropped or drained.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rds_iam_emulator_control::{LoginEvent, Refuse, State};
use rds_iam_emulator_server::host::file;
use rds_iam_emulator_server::tls::ServerIdentity;
use rds_iam_emulator_server::{AccessKey, Error};
use rds_iam_report::ErrorReport;
use rds_iam_token::Endpoint;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::front::Front;
use crate::protocol::Protocol;
use crate::settings::Settings;
use crate::stats::Stats;
use crate::{mysql, postgres};

/// The file in the proxy's folder with the authority that signed its certificate.
const CA_FILE: &str = "ca.pem";

/// A running proxy. Dropping it ends all sessions at once.
pub struct Proxy {
    front: Arc<Front>,
    protocol: Arc<Protocol>,
    clients: Arc<AtomicUsize>,
    state: Mutex<State>,
    dial: Endpoint,
    ca_pem: String,
    accept: Option<watch::Sender<bool>>,
    close: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy on a free port of the loopback address.
    ///
    /// # Errors
    /// Returns an error if the system gives no port, no folder or no random bytes.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        let Settings { engine, endpoint, region, keys, upstream, backend, limits } = settings;
        let identity = ServerIdentity::new(std::slice::from_ref(&endpoint), &[])?;
        let control = tempfile::tempdir().map_err(Error::io("create", &std::env::temp_dir()))?;
        let state = State {
            region: region.to_string(),
            endpoints: vec![endpoint.to_string()],
            keys,
            clock_offset_seconds: 0,
            refuse: Refuse::default(),
            throttle: Refuse::default(),
            auth_switch: rds_iam_emulator_control::AuthSwitch::default(),
        };
        write(control.path(), &state)?;
        file::replace(&control.path().join(CA_FILE), identity.ca_pem(), 0o644)?;
        // The record, without a login yet.
        file::replace(&LoginEvent::record(control.path()), "", 0o600)?;

        let listening = |problem: std::io::Error| Error::Setting {
            setting: "the proxy's address",
            value: "127.0.0.1:0".into(),
            problem: problem.to_string(),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?.to_string();
        let (accept, accepting) = watch::channel(true);
        let (close, closing) = watch::channel(false);
        let front = Arc::new(Front {
            tls: acceptor(&identity, engine == rds_iam_infra::Engine::Postgres)?,
            endpoint,
            upstream,
            backend,
            limits,
            control,
            counters: crate::stats::Counters::default(),
            close: closing,
        });
        let protocol = Arc::new(match engine {
            rds_iam_infra::Engine::MySql => Protocol::MySql(mysql::Sessions::new(&limits)),
            rds_iam_infra::Engine::Postgres => Protocol::Postgres(postgres::Sessions::new(&limits)),
        });
        let clients = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(accept_clients(
            listener,
            Arc::clone(&front),
            Arc::clone(&protocol),
            Arc::clone(&clients),
            accepting,
        ));
        tracing::info!("an emulated RDS Proxy at {address}");
        Ok(Self {
            ca_pem: identity.ca_pem().to_owned(),
            dial: address.parse().map_err(Error::setting("the proxy's address", &address))?,
            front,
            protocol,
            clients,
            state: Mutex::new(state),
            accept: Some(accept),
            close,
            accepting: task,
        })
    }

    /// Returns the endpoint that tokens have to be signed for. The proxy's certificate names its host.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.front.endpoint
    }

    /// Returns the address that the proxy listens on. Its certificate does not name it.
    #[must_use]
    pub fn dial(&self) -> &Endpoint {
        &self.dial
    }

    /// Returns the certificate, as PEM, of the authority that signed the proxy's: another one than the database's.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Returns the path of a file with [`Proxy::ca_pem`], which exists as long as the proxy.
    #[must_use]
    pub fn ca_path(&self) -> PathBuf {
        self.front.control.path().join(CA_FILE)
    }

    /// Returns the counts of now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (connections, idle) = self.protocol.counts();
        self.front.counters.snapshot(self.clients.load(Relaxed), connections, idle)
    }

    /// Returns all logins of clients so far, oldest first, with the reasons that clients do not get.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the proxy's folder is gone.
    pub fn logins(&self) -> Result<Vec<LoginEvent>, Error> {
        let folder = self.front.control.path();
        LoginEvent::read_all(folder).map_err(Error::io("read the logins in", folder))
    }

    /// Accepts another access key of clients, or replaces the one with the same id, as after a change of its
    /// permissions.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the proxy's folder is gone.
    pub fn enter_key(&self, key: AccessKey) -> Result<(), Error> {
        self.change(|state| {
            state.keys.retain(|known| known.id != key.id);
            state.keys.push(key);
        })
    }

    /// Moves the proxy's clock, by which clients' tokens expire, this many seconds away from the real time.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the proxy's folder is gone.
    pub fn set_clock(&self, offset_seconds: i64) -> Result<(), Error> {
        self.change(|state| state.clock_offset_seconds = offset_seconds)
    }

    /// Answers the next `count` logins as if there were too many at once.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the proxy's folder is gone.
    pub fn throttle_next(&self, count: u32) -> Result<(), Error> {
        self.change(|state| state.throttle = Refuse { serial: state.throttle.serial + 1, count })
    }

    /// Accepts no more clients, waits until the sessions have ended, and ends those that are left after `within` with
    /// an error that says so. Returns whether all ended by themselves.
    pub async fn drain(mut self, within: Duration) -> bool {
        self.accept = None;
        let in_time = tokio::time::timeout(within, &mut self.accepting).await.is_ok();
        if !in_time {
            self.close.send_replace(true);
            // Each writes one message; one that can't be written ends with the task.
            drop(tokio::time::timeout(Duration::from_secs(5), &mut self.accepting).await);
        }
        in_time
    }

    fn change(&self, change: impl FnOnce(&mut State)) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        write(self.front.control.path(), &state)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The sessions are tasks of that one.
        self.accepting.abort();
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("endpoint", self.endpoint())
            .field("dial", &self.dial)
            .finish_non_exhaustive()
    }
}

fn write(folder: &std::path::Path, state: &State) -> Result<(), Error> {
    let path = folder.join(State::FILE);
    let text = state.to_json().map_err(Error::io("write", &path))?;
    file::replace(&path, &text, 0o600)
}

/// Returns TLS with the certificate of `identity`; `alpn` is whether clients that begin with TLS name their protocol.
fn acceptor(identity: &ServerIdentity, alpn: bool) -> Result<TlsAcceptor, Error> {
    let unusable = |problem: String| Error::Setting {
        setting: "the proxy's certificate",
        value: "made up".into(),
        problem,
    };
    let certificate = CertificateDer::from_pem_slice(identity.certificate_pem().as_bytes())
        .map_err(|e| unusable(e.to_string()))?;
    let key =
        PrivateKeyDer::from_pem_slice(identity.key_pem().as_bytes()).map_err(|e| unusable(e.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key))
        .map_err(|e| unusable(e.to_string()))?;
    if alpn {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Accepts clients until the sender of `accept` is gone, and waits for their sessions.
async fn accept_clients(
    listener: TcpListener,
    front: Arc<Front>,
    protocol: Arc<Protocol>,
    clients: Arc<AtomicUsize>,
    mut accept: watch::Receiver<bool>,
) {
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = sessions.join_next() => continue,
            Err(_) = accept.changed() => break,
        };
        let Ok((client, address)) = accepted else {
            // Out of descriptors: until a session ends.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let count = Count::new(&clients);
        let (front, protocol) = (Arc::clone(&front), Arc::clone(&protocol));
        sessions.spawn(async move {
            let _count = count;
            serve(&front, &protocol, client, address.ip()).await;
        });
    }
    drop(listener);
    while sessions.join_next().await.is_some() {}
}

async fn serve(front: &Arc<Front>, protocol: &Protocol, client: TcpStream, host: IpAddr) {
    // A failure only delays packets.
    client.set_nodelay(true).ok();
    if let Err(failure) = protocol.serve(front, client, host).await {
        tracing::debug!(error = %ErrorReport(&failure), "a session was not opened");
    }
}

/// One client of the count, as long as it exists.
struct Count(Arc<AtomicUsize>);

impl Count {
    fn new(clients: &Arc<AtomicUsize>) -> Self {
        clients.fetch_add(1, Relaxed);
        Self(Arc::clone(clients))
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
