//! Sessions against a scripted server with TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rds_iam_roots::Roots;
use rds_iam_token::aws_credential_types::Credentials;
use rds_iam_token::aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use rds_iam_token::aws_smithy_async::time::TimeSource;
use rds_iam_token::{Clock, Endpoint, Login, Minter, TokenSource};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::endpoint;
use crate::postgres::cancel::CancelKeys;
use crate::postgres::error::ErrorResponse;
use crate::postgres::message::{self, encode};
use crate::postgres::session::open;
use crate::postgres::startup::{CancelKey, First, Startup, read_first};
use crate::{Failure, Upstream};

#[derive(Clone, Debug)]
struct Time(Arc<AtomicU64>);

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

fn tokens(time: &Time) -> TokenSource {
    let login = Login::new(endpoint(), "eu-west-1".parse().unwrap(), "app".parse().unwrap());
    let credentials = Credentials::new("AKID", "key", None, None, "test");
    TokenSource::lazy(Minter::new(login, credentials, Clock::new(time.clone(), Never)))
}

struct Server {
    listener: TcpListener,
    tls: TlsAcceptor,
}

async fn server() -> (Server, Upstream) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["db.example.com".to_owned()]).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], signing_key.serialize_der().try_into().unwrap())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    let roots = Roots::parse(cert.pem().as_bytes()).unwrap();
    let upstream = Upstream::new(endpoint(), Some(dial), &roots).unwrap();
    (Server { listener, tls: TlsAcceptor::from(Arc::new(config)) }, upstream)
}

impl Server {
    async fn accept(&self) -> TlsStream<TcpStream> {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        assert_eq!(read_first(&mut stream).await.unwrap(), First::Tls);
        stream.write_all(b"S").await.unwrap();
        self.tls.accept(stream).await.unwrap()
    }

    /// Answers one login, and returns its token.
    async fn log_in(&self, answer: &[u8]) -> Vec<u8> {
        let mut stream = self.accept().await;
        let First::Startup(startup) = read_first(&mut stream).await.unwrap() else { panic!() };
        assert_eq!(startup, Startup::new(&[("user", "app"), ("database", "shop")]));
        stream.write_all(&encode(b'R', &[0, 0, 0, 3])).await.unwrap();
        let password = message::read(&mut stream, 10_000).await.unwrap();
        stream.write_all(answer).await.unwrap();
        stream.flush().await.unwrap();
        password.body
    }
}

fn ready() -> Vec<u8> {
    [encode(b'R', &[0; 4]), encode(b'K', &[0, 0, 0, 9, 1, 2, 3, 4]), encode(b'Z', b"I")].concat()
}

/// Opens a session and returns its result with the bytes that the client received.
async fn opened(
    upstream: &Upstream,
    keys: &CancelKeys,
    tokens: &TokenSource,
) -> (Result<(), Failure>, Vec<u8>) {
    let (mut client, stream) = duplex(10_000);
    client.write_all(&Startup::new(&[("user", "me"), ("database", "shop")]).encode()).await.unwrap();
    let tokens = tokens.clone();
    let result = open(stream, upstream, keys, None, async |user| {
        assert_eq!(user, "me");
        Ok(tokens)
    })
    .await
    .map(drop);
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    (result, received)
}

#[tokio::test]
async fn a_refused_cached_token_is_replaced_once_and_the_client_does_not_notice() {
    let time = Time(Arc::new(AtomicU64::new(1_800_000_000)));
    let (server, upstream) = server().await;
    let tokens = tokens(&time);
    let cached = tokens.token().await.unwrap();
    time.0.fetch_add(60, Ordering::SeqCst);
    let refusal = ErrorResponse::fatal("28000", "PAM authentication failed for user \"app\"").encode();
    let script = async {
        let first = server.log_in(&refusal).await;
        (first, server.log_in(&ready()).await)
    };
    let keys = CancelKeys::default();
    let ((result, received), (first, second)) = tokio::join!(opened(&upstream, &keys, &tokens), script);
    result.unwrap();
    assert_eq!(received, ready());
    assert_eq!(first, [cached.expose().as_bytes(), b"\0"].concat());
    assert_ne!(first, second);

    // The new one is not replaced again.
    let ((result, received), _) = tokio::join!(opened(&upstream, &keys, &tokens), server.log_in(&refusal));
    assert!(matches!(result, Err(Failure::Refused { .. })), "{result:?}");
    assert_eq!(ErrorResponse::parse(&received[5..]).unwrap().code, "28000");
}

#[tokio::test]
async fn only_the_key_of_a_live_session_is_forwarded() {
    let (server, upstream) = server().await;
    let keys = CancelKeys::default();
    let key = CancelKey { process: 9, key: vec![5; 32] };
    let address = server.listener.local_addr().unwrap();
    let guard = keys.register(key.clone(), &upstream, address);
    let cancel = async |key: &CancelKey| {
        let (mut client, stream) = duplex(1000);
        client.write_all(&key.request()).await.unwrap();
        let denied = async |_: &str| Err(Failure::Denied("no login".into()));
        assert!(open(stream, &upstream, &keys, None, denied).await.unwrap().is_none());
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.is_empty());
    };
    let receive = async { read_first(&mut server.accept().await).await.unwrap() };
    assert_eq!(tokio::join!(cancel(&key), receive), ((), First::Cancel(key.clone())));
    let another = CancelKey { process: 9, key: vec![5; 31] };
    cancel(&another).await;
    assert!(!keys.forward(&another).await.unwrap());
    drop(guard);
    assert!(!keys.forward(&key).await.unwrap());
}
