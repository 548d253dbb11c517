//! Sessions against a scripted server with TLS.

use std::time::Duration;

use rds_iam_token::TokenSource;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::endpoint;
use crate::postgres::cancel::CancelKeys;
use crate::postgres::error::ErrorResponse;
use crate::postgres::message::{self, encode};
use crate::postgres::session::open;
use crate::postgres::startup::{CancelKey, First, Startup, read_first};
use crate::scripted::{Server, Time, server, tokens};
use crate::{Failure, Upstream};

/// A limit that no test reaches.
const LONG: Duration = Duration::from_secs(60);

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
    limit: Duration,
    upstream: &Upstream,
    keys: &CancelKeys,
    tokens: &TokenSource,
) -> (Result<(), Failure>, Vec<u8>) {
    let (mut client, stream) = duplex(10_000);
    client.write_all(&Startup::new(&[("user", "me"), ("database", "shop")]).encode()).await.unwrap();
    let tokens = tokens.clone();
    let result = open(stream, upstream, keys, None, limit, async |user| {
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
    let time = Time::new();
    let (server, upstream) = server(endpoint()).await;
    let tokens = tokens(endpoint(), &time);
    let cached = tokens.token().await.unwrap();
    time.advance(1);
    let refusal = ErrorResponse::fatal("28000", "PAM authentication failed for user \"app\"").encode();
    let script = async {
        let first = server.log_in(&refusal).await;
        (first, server.log_in(&ready()).await)
    };
    let keys = CancelKeys::default();
    let ((result, received), (first, second)) = tokio::join!(opened(LONG, &upstream, &keys, &tokens), script);
    result.unwrap();
    assert_eq!(received, ready());
    assert_eq!(first, [cached.expose().as_bytes(), b"\0"].concat());
    assert_ne!(first, second);

    // The new one is not replaced again.
    let ((result, received), _) =
        tokio::join!(opened(LONG, &upstream, &keys, &tokens), server.log_in(&refusal));
    assert!(matches!(result, Err(Failure::Refused { .. })), "{result:?}");
    assert_eq!(ErrorResponse::parse(&received[5..]).unwrap().code, "28000");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_reported_to_the_client() {
    let (server, upstream) = server(endpoint()).await;
    let tokens = tokens(endpoint(), &Time::new());
    let keys = CancelKeys::default();
    let silent = server.listener.accept();
    let limit = Duration::from_millis(500);
    let ((result, received), _open) = tokio::join!(opened(limit, &upstream, &keys, &tokens), silent);
    assert!(matches!(result, Err(Failure::TimedOut(_))), "{result:?}");
    let error = ErrorResponse::parse(&received[5..]).unwrap();
    assert_eq!(error.code, "08006");
    assert!(error.hint.unwrap().contains("the database does not answer"));
}

#[tokio::test]
async fn a_request_for_kerberos_is_reported_as_one_for_no_token() {
    let (server, upstream) = server(endpoint()).await;
    let tokens = tokens(endpoint(), &Time::new());
    let keys = CancelKeys::default();
    let script = async {
        let mut stream = server.accept().await;
        read_first(&mut stream).await.unwrap();
        // AuthenticationGSS.
        stream.write_all(&encode(b'R', &[0, 0, 0, 7])).await.unwrap();
        stream.flush().await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.ok();
        rest
    };
    let ((result, received), sent) = tokio::join!(opened(LONG, &upstream, &keys, &tokens), script);
    assert!(matches!(result, Err(Failure::Denied(_))), "{result:?}");
    assert!(ErrorResponse::parse(&received[5..]).unwrap().message.contains("rds_iam"));
    assert!(sent.is_empty(), "no token is sent");
}

#[tokio::test]
async fn only_the_key_of_a_live_session_is_forwarded() {
    let (server, upstream) = server(endpoint()).await;
    let keys = CancelKeys::default();
    let key = CancelKey { process: 9, key: vec![5; 32] };
    let address = server.listener.local_addr().unwrap();
    let guard = keys.register(key.clone(), &upstream, address);
    let cancel = async |key: &CancelKey| {
        let (mut client, stream) = duplex(1000);
        client.write_all(&key.request()).await.unwrap();
        let denied = async |_: &str| Err(Failure::Denied("no login".into()));
        assert!(open(stream, &upstream, &keys, None, LONG, denied).await.unwrap().is_none());
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

#[tokio::test]
async fn a_token_that_the_server_repeats_is_not_passed_on() {
    let (server, upstream) = server(endpoint()).await;
    let tokens = tokens(endpoint(), &Time::new());
    let token = tokens.token().await.unwrap();
    let keys = CancelKeys::default();
    let refusal =
        ErrorResponse { detail: Some(token.expose().to_owned()), ..ErrorResponse::fatal("28000", "no") };
    let refusal = refusal.encode();
    let script = server.log_in(&refusal);
    let ((result, received), _) = tokio::join!(opened(LONG, &upstream, &keys, &tokens), script);
    let shown = format!("{:?} {}", result.unwrap_err(), String::from_utf8_lossy(&received));
    assert!(!shown.contains("X-Amz-") && shown.contains("28000"), "{shown}");
}
