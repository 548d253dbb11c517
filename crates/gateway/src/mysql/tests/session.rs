//! Sessions against a scripted server.

use std::time::Duration;

use rds_iam_token::TokenSource;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::{endpoint, login_payload};
use crate::mysql::accept::{First, greet, read_first, read_login};
use crate::mysql::packet::{encode, read};
use crate::mysql::session::open;
use crate::mysql::{ErrorPacket, Greeting, Offer};
use crate::scripted::{Server, Time, server, tokens};
use crate::{Failure, Upstream};

/// A limit that no test reaches.
const LONG: Duration = Duration::from_secs(60);

const OK: &[u8] = b"\0\0\0\x02\0\0\0";

fn greeting() -> Greeting {
    Greeting::new("8.4.7", 7).unwrap()
}

impl Server {
    /// Greets a client, and returns its connection inside TLS.
    async fn accept_mysql(&self) -> TlsStream<TcpStream> {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        greet(&mut stream, &greeting().for_client(Offer { tls: true })).await.unwrap();
        assert!(matches!(read_first(&mut stream).await.unwrap(), First::Tls));
        self.tls.accept(stream).await.unwrap()
    }

    /// Answers one login, and returns its token.
    async fn log_in_mysql(&self, answer: &[u8]) -> Vec<u8> {
        let mut stream = self.accept_mysql().await;
        let login = read_login(&mut stream).await.unwrap();
        stream.write_all(&encode(3, answer).0).await.unwrap();
        stream.flush().await.unwrap();
        login.auth_response
    }
}

/// Opens a session, and returns its result with the packets that the client received.
async fn opened(
    limit: Duration,
    upstream: &Upstream,
    tokens: &TokenSource,
) -> (Result<(), Failure>, Vec<Vec<u8>>) {
    let (mut client, stream) = duplex(10_000);
    let login = login_payload(Some("mysql_native_password"), b"");
    client.write_all(&encode(1, &login).0).await.unwrap();
    let tokens = tokens.clone();
    let result = open(stream, upstream, None, limit, async |_| Ok(tokens)).await.map(drop);
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.unwrap();
    let (mut rest, mut packets) = (&*bytes, Vec::new());
    while let Some(packet) = read(&mut rest, 10_000).await.unwrap() {
        packets.push(packet.payload);
    }
    (result, packets)
}

#[tokio::test]
async fn a_refused_cached_token_is_replaced_once_and_the_client_does_not_notice() {
    let time = Time::new();
    let (server, upstream) = server(endpoint()).await;
    let tokens = tokens(endpoint(), &time);
    let cached = tokens.token().await.unwrap();
    time.advance(1);
    let refusal = ErrorPacket::new(1045, *b"28000", "Access denied").payload();
    let script = async {
        let first = server.log_in_mysql(&refusal).await;
        (first, server.log_in_mysql(OK).await)
    };
    let ((result, received), (first, second)) = tokio::join!(opened(LONG, &upstream, &tokens), script);
    result.unwrap();
    assert_eq!(received.last().unwrap(), OK);
    assert_eq!(first, [cached.expose().as_bytes(), b"\0"].concat());
    assert_ne!(first, second);

    // The new one is not replaced again.
    let ((result, received), _) =
        tokio::join!(opened(LONG, &upstream, &tokens), server.log_in_mysql(&refusal));
    assert!(matches!(result, Err(Failure::Refused { .. })), "{result:?}");
    assert_eq!(ErrorPacket::parse(received.last().unwrap()).unwrap().code(), 1045);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_reported_to_the_client() {
    let limit = Duration::from_secs(2);
    let tokens = tokens(endpoint(), &Time::new());
    // Before its greeting, and after a login.
    for greets in [false, true] {
        let (server, upstream) = server(endpoint()).await;
        let script = async {
            if !greets {
                return None;
            }
            let mut stream = server.accept_mysql().await;
            read_login(&mut stream).await.unwrap();
            Some(stream)
        };
        let ((result, received), _open) = tokio::join!(opened(limit, &upstream, &tokens), script);
        assert!(matches!(result, Err(Failure::TimedOut(_))), "{result:?}");
        let error = ErrorPacket::parse(received.last().unwrap()).unwrap();
        assert!(error.code() == 1158 && error.message().contains("does not answer"), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing() {
    let (server, upstream) = server(endpoint()).await;
    let tokens = tokens(endpoint(), &Time::new());
    let script = async {
        let (mut stream, _) = server.listener.accept().await.unwrap();
        greet(&mut stream, &greeting().for_client(Offer { tls: false })).await.unwrap();
        let mut sent = Vec::new();
        stream.read_to_end(&mut sent).await.unwrap();
        sent
    };
    let ((result, received), sent) = tokio::join!(opened(LONG, &upstream, &tokens), script);
    assert!(matches!(result, Err(Failure::NoTls(_))), "{result:?}");
    assert!(sent.is_empty(), "{sent:?}");
    let error = ErrorPacket::parse(received.last().unwrap()).unwrap();
    assert!(error.message().contains("offers no TLS"), "{error:?}");
}

#[tokio::test]
async fn a_token_that_the_server_repeats_is_not_passed_on() {
    let (server, upstream) = server(endpoint()).await;
    let tokens = tokens(endpoint(), &Time::new());
    let token = tokens.token().await.unwrap();
    let text = format!("no\u{1b}[31m: {}", token.expose());
    let refusal = error_packet(&text);
    let script = server.log_in_mysql(&refusal);
    let ((result, received), _) = tokio::join!(opened(LONG, &upstream, &tokens), script);
    let failure = result.unwrap_err();
    let sent = String::from_utf8_lossy(received.last().unwrap()).into_owned();
    for shown in [format!("{failure} {failure:?}"), sent] {
        assert!(!shown.contains("X-Amz-") && !shown.contains('\u{1b}'), "{shown}");
    }
}

/// Returns an error packet as a server sends it, whatever its text.
fn error_packet(text: &str) -> Vec<u8> {
    [&b"\xff\x15\x04#28000"[..], text.as_bytes()].concat()
}
