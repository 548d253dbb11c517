//! Tunnels to a small service and agent on loopback, with faults.

mod agent;
mod basic;
mod measure;
mod peer;
mod replace;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rds_iam_tunnel::message::Flag;
use rds_iam_tunnel::{
    ConnectError, Listener, Options, Remote, StreamError, Tunnel, TunnelError, TunnelStream,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::agent::{Behaviour, Target};
use crate::peer::Peer;

/// Returns a configuration that trusts no authority: peers have no TLS, except where the service is verified.
fn tls() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn remote(target: &str) -> Remote {
    Remote { target: target.to_owned(), host: "db.example.com".to_owned(), port: 5432 }
}

async fn tunnel(peer: &Arc<Peer>, options: Options) -> Result<Tunnel, TunnelError> {
    Tunnel::start(peer.api(), remote("i-1"), tls(), options).await
}

async fn open(behaviour: Behaviour) -> (Arc<Peer>, Tunnel) {
    let peer = Peer::start(behaviour).await;
    let tunnel = tunnel(&peer, Options::default()).await.unwrap();
    (peer, tunnel)
}

fn bytes(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(length as u64);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// Sends bytes through an echo, and checks what comes back.
async fn echo(stream: impl AsyncRead + AsyncWrite, length: usize) {
    let sent = bytes(length);
    let (mut read, mut write) = tokio::io::split(stream);
    let mut received = vec![0; length];
    let (sending, receiving) = tokio::join!(write.write_all(&sent), read.read_exact(&mut received));
    sending.unwrap();
    receiving.unwrap();
    assert!(received == sent, "{length} bytes came back changed");
}

/// Waits for a condition. The limit only ends a test that fails.
async fn eventually(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the condition is met");
}

fn stream_error(error: &std::io::Error) -> &StreamError {
    error.get_ref().and_then(|inner| inner.downcast_ref()).expect("the error of a stream")
}

async fn read_error(mut stream: TunnelStream) -> std::io::Error {
    stream.read_to_end(&mut Vec::new()).await.unwrap_err()
}

#[tokio::test]
async fn bytes_pass_each_way_and_the_session_is_terminated() {
    let (peer, tunnel) = open(Behaviour::default()).await;
    echo(tunnel.open().await.unwrap(), 300_000).await;
    tunnel.close().await;
    assert_eq!(*peer.terminated.lock().unwrap(), ["session-0"]);
    assert_eq!(*peer.flags.lock().unwrap(), [Flag::TerminateSession]);
    assert!(matches!(tunnel.open().await, Err(error) if matches!(error.reason(), TunnelError::Closed)));
}

#[tokio::test]
async fn a_dropped_tunnel_ends_its_session_and_its_streams() {
    let (peer, tunnel) = open(Behaviour::default()).await;
    let stream = tunnel.open().await.unwrap();
    drop(tunnel);
    let error = read_error(stream).await;
    assert!(matches!(stream_error(&error), StreamError::Ended(_)), "{error}");
    eventually(|| !peer.terminated.lock().unwrap().is_empty()).await;
}

#[tokio::test]
async fn bytes_arrive_intact_though_messages_are_lost_and_repeated_and_connections_close() {
    let behaviour =
        Behaviour { lost: 2, repeated: 2, closes: vec![40, 300, 50, 400, 500], ..Behaviour::default() };
    let (peer, tunnel) = open(behaviour).await;
    let streams = [(); 3].map(|()| tunnel.clone());
    let echoes =
        streams.map(|tunnel| tokio::spawn(async move { echo(tunnel.open().await.unwrap(), 500_000).await }));
    for echo in echoes {
        echo.await.unwrap();
    }
    assert_eq!((peer.started.load(Ordering::Relaxed), peer.resumed.load(Ordering::Relaxed)), (1, 5));
}

#[tokio::test]
async fn many_local_connections_are_forwarded_at_once_over_several_sessions() {
    let peer = Peer::start(Behaviour::default()).await;
    let mut options = Options::default();
    options.sessions = 3;
    let tunnel = tunnel(&peer, options).await.unwrap();
    let listener = Listener::bind(tunnel.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let echoes = (0..50).map(|n| {
        let address = listener.address();
        tokio::spawn(async move { echo(TcpStream::connect(address).await.unwrap(), 1000 + n).await })
    });
    for echo in echoes.collect::<Vec<_>>() {
        echo.await.unwrap();
    }
    assert_eq!(peer.started.load(Ordering::Relaxed), 3);
    tunnel.close().await;
    assert_eq!(peer.terminated.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn what_the_database_sent_before_it_closed_is_read_by_the_program() {
    let (_peer, tunnel) = open(Behaviour { target: Target::Source(3_000_000), ..Behaviour::default() }).await;
    let listener = Listener::bind(tunnel.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut received = Vec::new();
    let mut local = TcpStream::connect(listener.address()).await.unwrap();
    local.write_all(b"a program that still sends").await.unwrap();
    local.read_to_end(&mut received).await.unwrap();
    assert_eq!(received.len(), 3_000_000);
    let intact = received.iter().rev().enumerate().all(|(n, byte)| *byte == ((n + 1) % 251) as u8);
    assert!(intact);
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_named() {
    let (_peer, tunnel) = open(Behaviour { target: Target::Refused, ..Behaviour::default() }).await;
    let error = read_error(tunnel.open().await.unwrap()).await;
    assert!(matches!(stream_error(&error), StreamError::Refused(_)), "{error}");
    // A program gets an error too, not an end.
    let listener = Listener::bind(tunnel.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut local = TcpStream::connect(listener.address()).await.unwrap();
    let error = local.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let reason = listener.take_error().map(|error| error.to_string()).unwrap_or_default();
    assert!(reason.starts_with("the instance could not connect to db.example.com:5432 (i-1)"), "{reason}");
    assert!(listener.take_error().is_none());
}

#[tokio::test]
async fn a_session_that_the_service_ends_fails_its_streams_and_the_next_stream_starts_another() {
    let (peer, tunnel) = open(Behaviour { ends_after: Some(20), ..Behaviour::default() }).await;
    let mut stream = tunnel.open().await.unwrap();
    let error = loop {
        if let Err(error) = stream.write_all(&[0; 1000]).await {
            break error;
        }
        tokio::task::yield_now().await;
    };
    let StreamError::Ended(reason) = stream_error(&error) else { panic!("{error}") };
    assert_eq!(reason.to_string(), "session session-0 was ended by the service: ended by an operator");
    echo(tunnel.open().await.unwrap(), 1000).await;
    assert_eq!(peer.started.load(Ordering::Relaxed), 2);
    tunnel.close().await;
    assert_eq!(*peer.terminated.lock().unwrap(), ["session-1"], "the first one has ended already");
}

#[tokio::test]
async fn a_session_that_is_gone_when_it_is_resumed_ends() {
    let (_peer, tunnel) = open(Behaviour { closes: vec![10], is_gone: true, ..Behaviour::default() }).await;
    let mut stream = tunnel.open().await.unwrap();
    stream.write_all(&[0; 100_000]).await.unwrap();
    let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
    let StreamError::Ended(reason) = stream_error(&error) else { panic!("{error}") };
    assert!(matches!(**reason, TunnelError::Gone { .. }), "{reason}");
}

#[tokio::test]
async fn the_service_is_verified() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let peer = Peer::start_with(Behaviour::default(), Some(acceptor)).await;
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let trusting =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let trusting = Arc::new(trusting.with_root_certificates(roots).with_no_client_auth());
    let tunnel = Tunnel::start(peer.api(), remote("i-1"), trusting, Options::default()).await.unwrap();
    echo(tunnel.open().await.unwrap(), 100_000).await;
    let refused = Tunnel::start(peer.api(), remote("i-1"), tls(), Options::default()).await.unwrap_err();
    let reason = refused.reason();
    assert!(matches!(reason, TunnelError::Connect { source: ConnectError::Io(_), .. }), "{refused}");
    assert_eq!(refused.to_string(), "the data channel at localhost could not be opened");
}

#[tokio::test]
async fn connections_that_end_leave_no_task() {
    let (_peer, tunnel) = open(Behaviour::default()).await;
    let listener = Listener::bind(tunnel.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address();
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    for _ in 0..5 {
        let echoes = (0..50)
            .map(|n| tokio::spawn(async move { echo(TcpStream::connect(address).await.unwrap(), n).await }));
        for echo in echoes.collect::<Vec<_>>() {
            echo.await.unwrap();
        }
    }
    eventually(|| metrics.num_alive_tasks() <= before).await;
}

#[tokio::test]
async fn a_connection_that_fell_silent_is_replaced() {
    let peer = Peer::start(Behaviour { silent_after: Some(30), ..Behaviour::default() }).await;
    let mut options = Options::default();
    options.silence = Duration::from_millis(50);
    let tunnel = tunnel(&peer, options).await.unwrap();
    echo(tunnel.open().await.unwrap(), 100_000).await;
    assert_eq!((peer.started.load(Ordering::Relaxed), peer.resumed.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test]
async fn a_tunnel_that_cannot_be_opened_says_why() {
    let mut options = Options::default();
    options.handshake = Duration::from_millis(300);
    let failure = |behaviour| {
        let options = options.clone();
        async move { tunnel(&Peer::start(behaviour).await, options).await.unwrap_err().to_string() }
    };
    let encryption = failure(Behaviour { action: Some("KMSEncryption"), ..Behaviour::default() }).await;
    assert!(encryption.contains("i-1 requests encryption with a KMS key"), "{encryption}");
    let nonsense = failure(Behaviour { is_nonsense: true, ..Behaviour::default() }).await;
    assert!(nonsense.contains("20 of the messages received were malformed"), "{nonsense}");
    let peer = Peer::start(Behaviour::default()).await;
    let started = Tunnel::start(peer.api(), remote("i-unknown"), tls(), Options::default()).await;
    let error = started.unwrap_err();
    assert!(error.to_string().contains("db.example.com:5432 through i-unknown"), "{error}");
}

#[tokio::test]
async fn only_a_free_loopback_address_is_opened() {
    let (_peer, tunnel) = open(Behaviour::default()).await;
    let refused = Listener::bind(tunnel.clone(), "0.0.0.0:0".parse().unwrap()).await.unwrap_err();
    assert!(matches!(refused, TunnelError::NotLoopback(_)), "{refused}");
    let listener = Listener::bind(tunnel.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let refused = Listener::bind(tunnel.clone(), listener.address()).await.unwrap_err();
    assert!(matches!(refused, TunnelError::Listen { .. }), "{refused}");
}

#[tokio::test]
async fn a_program_that_does_not_read_loses_its_stream_and_others_continue() {
    let peer = Peer::start(Behaviour { target: Target::Source(20 << 20), ..Behaviour::default() }).await;
    let mut options = Options::default();
    options.stuck = Duration::from_millis(100);
    let tunnel = tunnel(&peer, options).await.unwrap();
    let mut stuck = tunnel.open().await.unwrap();
    let mut other = tunnel.open().await.unwrap();
    let mut received = Vec::new();
    // It is sent first, and the session is stalled until it is closed. The other one comes to its end.
    other.read_to_end(&mut received).await.unwrap();
    assert_eq!(received.len(), 20 << 20);
    let error = stuck.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert!(matches!(stream_error(&error), StreamError::Stuck { .. }), "{error}");
}
