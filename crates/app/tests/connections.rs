//! Tests of the service on its two ports: how it ends, and how it disconnects clients that keep it waiting.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use rds_iam_app::ClientLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use common::{listeners, state};

#[tokio::test]
async fn a_stop_finishes_and_the_ports_close() {
    let (listeners, address) = listeners().await;
    let management = listeners.management.local_addr().unwrap();
    let (stop, stopped) = mpsc::channel(2);
    let serving =
        tokio::spawn(rds_iam_app::serve(listeners, ClientLimits::default(), state().await, stopped));
    // An idle kept-alive connection must not delay the end.
    let idle = TcpStream::connect(address).await.unwrap();
    let idle_probe = TcpStream::connect(management).await.unwrap();
    stop.send(()).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(15), serving).await;
    ended.expect("it ends before the deadline for requests under way").unwrap().unwrap();
    drop((idle, idle_probe));
    assert!(TcpStream::connect(address).await.is_err());
    assert!(TcpStream::connect(management).await.is_err());
}

#[tokio::test]
async fn a_client_that_says_nothing_is_let_go() {
    let (listeners, address) = listeners().await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let (_stop, stopped) = mpsc::channel(1);
    let serving =
        tokio::spawn(rds_iam_app::serve(listeners, ClientLimits::default(), state().await, stopped));
    // From here on, time passes as soon as nothing else happens.
    tokio::time::pause();
    let mut answer = String::new();
    silent.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "");
    serving.abort();
}

/// Returns a request of which the service has read the head and waits for the body.
async fn under_way(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /api/insert HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                content-length: 15\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut go_on).await.unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100"));
    stream
}

#[tokio::test]
async fn a_request_under_way_is_finished_after_the_stop() {
    let (listeners, address) = listeners().await;
    let (stop, stopped) = mpsc::channel(1);
    let serving =
        tokio::spawn(rds_iam_app::serve(listeners, ClientLimits::default(), state().await, stopped));
    let mut stream = under_way(address).await;
    stop.send(()).await.unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(br#"{"message":"a"}"#).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_second_stop_does_not_wait() {
    let (listeners, address) = listeners().await;
    let (stop, stopped) = mpsc::channel(2);
    let serving =
        tokio::spawn(rds_iam_app::serve(listeners, ClientLimits::default(), state().await, stopped));
    let _waits_for_ever = under_way(address).await;
    stop.send(()).await.unwrap();
    stop.send(()).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(15), serving).await;
    ended.expect("it ends before the deadline for requests under way").unwrap().unwrap();
}

/// Starts a service with these limits, which the handle's `abort` ends, and returns its public address.
async fn serving(limits: ClientLimits) -> (JoinHandle<()>, SocketAddr) {
    let (listeners, address) = listeners().await;
    let state = state().await;
    let serving = tokio::spawn(async move {
        let (_stop, stopped) = mpsc::channel(1);
        rds_iam_app::serve(listeners, limits, state, stopped).await.unwrap();
    });
    (serving, address)
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let (serving, address) = serving(ClientLimits::default()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    // From here on, time passes as soon as nothing else happens.
    tokio::time::pause();
    let requests = "GET /style.css HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100);
    while stream.write_all(requests.as_bytes()).await.is_ok() {}
    serving.abort();
}

#[tokio::test]
async fn a_head_that_does_not_end_is_let_go() {
    let (serving, address) = serving(ClientLimits { idle: Duration::MAX, ..ClientLimits::default() }).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
    tokio::time::pause();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "");
    serving.abort();
}

#[tokio::test]
async fn a_body_that_does_not_end_is_answered() {
    let (serving, address) = serving(ClientLimits::default()).await;
    let mut stream = under_way(address).await;
    tokio::time::pause();
    stream.write_all(b"{").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("The request did not arrive in time."), "{answer}");
    serving.abort();
}

#[tokio::test]
async fn an_old_connection_is_closed_after_an_answer() {
    let limits = ClientLimits { age: Duration::from_secs(60), ..ClientLimits::default() };
    let (serving, address) = serving(limits).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    const REQUEST: &[u8] = b"GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).await.unwrap();
    assert!(!String::from_utf8_lossy(&answer[..length]).contains("connection: close"));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("connection: close"), "{answer}");
    serving.abort();
}

#[tokio::test]
async fn another_client_is_served_where_all_places_are_taken() {
    let (serving, address) = serving(ClientLimits { clients: 2, ..ClientLimits::default() }).await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /nowhere HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    // The first came first, and waited longest.
    assert_eq!(silent[0].read(&mut [0; 1]).await.unwrap(), 0);
    serving.abort();
}
