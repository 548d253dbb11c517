use std::cell::Cell;
use std::time::SystemTime;

use serde_json::json;
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use uuid::Uuid;

use super::*;
use crate::channel::Stamps;
use crate::content::to_json;
use crate::message::{Kind, PayloadType};
use crate::reliable::Sender;
use crate::session::connect::Io;
use crate::streams::Streams;
use crate::terminal::Terminal;
use crate::{Remote, TerminalSize};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The time between comparisons of the clocks, and the limit of an answer.
const INTERVAL: Duration = Duration::from_secs(5);

thread_local! {
    /// The beginning of the test.
    static START: Instant = now();
    /// The time for which this test's machine was suspended. Its thread runs the driver, too.
    static SUSPENDED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

fn wall_clock() -> SystemTime {
    let elapsed = START.with(|start| now().saturating_duration_since(*start));
    SystemTime::UNIX_EPOCH + HOUR + elapsed + SUSPENDED.get()
}

fn suspend_for_an_hour() {
    SUSPENDED.set(SUSPENDED.get() + HOUR);
}

type Service = WebSocketStream<DuplexStream>;

/// Drives a connection, in a task that returns the reason of its end.
async fn drive() -> (Service, JoinHandle<String>) {
    let (client, service) = duplex(64 * 1024);
    let client: Box<dyn Io> = Box::new(client);
    let mut socket: Socket = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    let service = WebSocketStream::from_raw_socket(service, Role::Server, None).await;
    let driving = tokio::spawn(async move {
        let stamps = Stamps::new(fastrand::Rng::with_seed(1), || 1);
        let mut channel = Channel::new("s-1".to_owned(), "i-1".to_owned(), 100, stamps);
        let remote = Remote { target: "i-1".to_owned(), host: "db.example.com".to_owned(), port: 5432 };
        let options = Options { wall_clock, ..Options::default() };
        let shared = Shared::new(Streams::new(remote, options.stuck));
        let mut opening = None;
        let drive = Drive::new(&mut channel, &shared, &mut socket, &options, None, &mut opening);
        match drive.run().await {
            End::Disconnected(reason) => reason,
            end => panic!("{end:?}"),
        }
    });
    (service, driving)
}

/// Returns the payload of the next message, which has to be a ping.
async fn next_ping(service: &mut Service) -> Bytes {
    match service.next().await {
        Some(Ok(Message::Ping(payload))) => payload,
        message => panic!("{message:?}"),
    }
}

fn keep_alive() -> Message {
    Message::Pong(Bytes::from_static(b"keepalive"))
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_did_not_survive_a_suspension_is_left_after_ten_seconds() {
    let (mut service, driving) = drive().await;
    assert_eq!(next_ping(&mut service).await, "keepalive");
    service.send(keep_alive()).await.unwrap();
    // The driver has received it.
    sleep(Duration::from_secs(1)).await;
    let awake = now();
    suspend_for_an_hour();
    // What arrived before the suspension, and is read afterwards, is no sign of life.
    service.send(keep_alive()).await.unwrap();
    let reason = driving.await.unwrap();
    assert!(reason.contains("did not answer after a suspension"), "{reason}");
    assert!(now() <= awake + 2 * INTERVAL, "{:?}", now() - awake);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_answers_no_pings_is_left_when_a_suspension_is_noticed() {
    let (mut service, driving) = drive().await;
    // It reads nothing, so it answers nothing.
    service.send(Message::text("unexpected")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let awake = now();
    suspend_for_an_hour();
    let reason = driving.await.unwrap();
    assert!(reason.contains("the machine was suspended"), "{reason}");
    assert!(now() <= awake + INTERVAL, "{:?}", now() - awake);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_survived_a_suspension_lasts() {
    let (mut service, driving) = drive().await;
    assert_eq!(next_ping(&mut service).await, "keepalive");
    service.send(keep_alive()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let awake = now();
    suspend_for_an_hour();
    assert_eq!(next_ping(&mut service).await, "awake");
    assert!(now() <= awake + INTERVAL, "{:?}", now() - awake);
    // Reading answers pings.
    let reading = async { while service.next().await.is_some_and(|message| message.is_ok()) {} };
    assert!(timeout(HOUR, reading).await.is_err(), "the connection lasts");
    assert!(!driving.is_finished());
    driving.abort();
}

#[test]
fn a_handshake_that_waits_for_kms_fails_with_its_key() {
    let stamps = Stamps::new(fastrand::Rng::with_seed(1), || 1);
    let mut channel = Channel::new("s-1".to_owned(), "i-1".to_owned(), 100, stamps);
    let options = Options::default();
    let error = overdue(&channel, &options);
    assert!(matches!(error, TunnelError::NoHandshake { .. }), "{error}");

    let action = json!({ "ActionType": "KMSEncryption", "ActionParameters": { "KMSKeyId": "alias/x" } });
    let request = to_json(&json!({ "AgentVersion": "3.3.0.0", "RequestedClientActions": [action] }));
    let mut agent = Sender::new(Kind::OutputStreamData);
    let bytes = agent.send(PayloadType::HANDSHAKE_REQUEST, request, Uuid::nil(), 1, now());
    channel.receive(&bytes, now(), &mut Terminal::new(TerminalSize::default())).unwrap();
    let error = overdue(&channel, &options);
    assert!(matches!(&error, TunnelError::DataKey { key_id, .. } if key_id == "alias/x"), "{error}");
}
