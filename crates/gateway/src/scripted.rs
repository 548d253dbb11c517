//! For tests of sessions: a server that follows a script behind TLS, and tokens whose time is set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use rds_iam_roots::Roots;
use rds_iam_token::aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use rds_iam_token::aws_smithy_async::time::TimeSource;
use rds_iam_token::{Clock, Endpoint, Login, Minter, TokenSource};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::Upstream;

/// The time of tokens, in seconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Time(Arc<AtomicU64>);

impl Time {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_800_000_000)))
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl TimeSource for Time {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Debug)]
struct Never;

impl AsyncSleep for Never {
    fn sleep(&self, _: Duration) -> Sleep {
        Sleep::new(std::future::pending())
    }
}

/// Returns the tokens of `app` at `endpoint`.
pub(crate) fn tokens(endpoint: Endpoint, time: &Time) -> TokenSource {
    let login = Login::new(endpoint, "eu-west-1".parse().unwrap(), "app".parse().unwrap());
    let credentials = Credentials::new("AKID", "key", None, None, "test");
    TokenSource::lazy(Minter::new(login, credentials, Clock::new(time.clone(), Never)))
}

/// The server's port, and its TLS.
pub(crate) struct Server {
    pub(crate) listener: TcpListener,
    pub(crate) tls: TlsAcceptor,
}

/// Opens a server, and returns the upstream that verifies it as `endpoint`.
pub(crate) async fn server(endpoint: Endpoint) -> (Server, Upstream) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed([endpoint.host().to_string()]).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], signing_key.serialize_der().try_into().unwrap())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    let roots = Roots::parse(cert.pem().as_bytes()).unwrap();
    let upstream = Upstream::new(endpoint, Some(dial), &roots).unwrap();
    (Server { listener, tls: TlsAcceptor::from(Arc::new(config)) }, upstream)
}
