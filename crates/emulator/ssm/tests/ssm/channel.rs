//! The data channel: its token, its handshake, and the bytes of its messages.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use rds_iam_emulator_ssm::{Emulator, Settings, Timers};
use rds_iam_tunnel::message::{Kind, Message, PayloadType};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use uuid::Uuid;

use crate::client::{Client, Options, Received, Socket, Started, connect, input, opening, start};
use crate::support::{INSTANCE, call, echo, settings, to_host, wait_for_stats, with_commands};

const CLIENT: Uuid = Uuid::from_u128(1);

/// Opens a data channel with `first`. Returns the reason if it is refused.
async fn open(started: &Started, first: Frame) -> Result<Socket, String> {
    let mut socket = connect(&started.url).await.unwrap();
    socket.send(first).await.unwrap();
    match socket.next().await.unwrap().unwrap() {
        Frame::Close(Some(frame)) => Err(frame.reason.as_str().to_owned()),
        Frame::Binary(bytes) => {
            assert_eq!(Message::decode(&bytes).unwrap().kind, Kind::StartPublication);
            Ok(socket)
        }
        other => panic!("{other:?}"),
    }
}

fn text(first: &impl serde::Serialize) -> Frame {
    Frame::text(serde_json::to_string(first).unwrap())
}

/// Returns the next binary message.
async fn next(socket: &mut Socket) -> bytes::Bytes {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Frame::Binary(bytes) => return bytes,
            Frame::Ping(_) | Frame::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_channel_opens_with_a_valid_first_message_only() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let started = start(&emulator, &to_host()).await;
    let good = opening(&started, CLIENT, "1.2.999.0");
    let mut other = good.clone();
    other.token_value = "other".into();
    let mut no_client = good.clone();
    no_client.client_id = "me".into();
    let mut no_version = good.clone();
    no_version.client_version = None;
    let mut schema = good.clone();
    schema.message_schema_version = "2.0".into();
    for (first, reason) in [
        (text(&other), "Invalid token"),
        (text(&no_client), "Invalid client id"),
        (text(&no_version), "Invalid client version"),
        (text(&schema), "Invalid request"),
        (Frame::text("token"), "Invalid request"),
        (Frame::binary(vec![1]), "The first message has to be text"),
    ] {
        assert_eq!(open(&started, first).await.unwrap_err(), reason);
    }
    assert!(open(&started, text(&good)).await.is_ok());
    // A token opens one WebSocket.
    assert_eq!(open(&started, text(&good)).await.unwrap_err(), "Invalid token");
    assert_eq!((emulator.stats().opened, emulator.stats().refused), (1, 7));
}

#[tokio::test]
async fn the_url_has_to_be_used_as_it_is() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let started = start(&emulator, &to_host()).await;
    let without_query = started.url.split('?').next().unwrap().to_owned();
    // More is allowed.
    assert!(connect(&format!("{}&more=1", started.url)).await.is_ok());
    let other_session = started.url.replace(&started.id, "developer-0");
    for (url, status) in [(without_query, 400), (other_session, 404)] {
        match connect(&url).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), status, "{url}"),
            other => panic!("{url}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn resuming_makes_a_new_token_and_ends_the_old_one() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let started = start(&emulator, &to_host()).await;
    let (_, answer) = call(&emulator, "ResumeSession", &json!({ "SessionId": started.id })).await;
    let resumed = Started::from(&answer);
    assert_eq!((&resumed.id, &resumed.url), (&started.id, &started.url));
    let old = opening(&started, CLIENT, "1.2.999.0");
    assert_eq!(open(&started, text(&old)).await.unwrap_err(), "Invalid token");
    let new = opening(&resumed, CLIENT, "1.2.999.0");
    let mut first = open(&resumed, text(&new)).await.unwrap();

    // The session has one WebSocket: a later one replaces it, if it is the same client's.
    let (_, answer) = call(&emulator, "ResumeSession", &json!({ "SessionId": started.id })).await;
    let again = Started::from(&answer);
    let stranger = opening(&again, Uuid::from_u128(2), "1.2.999.0");
    assert_eq!(open(&again, text(&stranger)).await.unwrap_err(), "Another client has this session");
    assert!(open(&again, text(&opening(&again, CLIENT, "1.2.999.0"))).await.is_ok());
    while let Some(Ok(frame)) = first.next().await {
        assert!(matches!(frame, Frame::Binary(_) | Frame::Close(_)), "{frame:?}");
    }
}

#[tokio::test]
async fn a_websocket_that_is_not_read_is_replaced() {
    // The old one never ends.
    let timers = Timers { close: Duration::from_secs(3600), ..Timers::default() };
    let emulator = Emulator::start(Settings { timers, ..with_commands() }).await.unwrap();
    let request = json!({
        "Target": INSTANCE,
        "DocumentName": "AWS-StartInteractiveCommand",
        "Parameters": { "command": ["yes"] },
    });
    let started = start(&emulator, &request).await;
    let _stuck = open(&started, text(&opening(&started, CLIENT, "1.2.999.0"))).await.unwrap();
    // Until the sockets and the queues are full.
    let mut sent = 0;
    while sent == 0 || emulator.stats().messages > sent {
        sent = emulator.stats().messages;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (_, answer) = call(&emulator, "ResumeSession", &json!({ "SessionId": started.id })).await;
    let resumed = Started::from(&answer);
    let opening = open(&resumed, text(&opening(&resumed, CLIENT, "1.2.999.0")));
    let opened = tokio::time::timeout(Duration::from_secs(30), opening).await;
    let mut socket = opened.expect("the new WebSocket waits for the old one").unwrap();
    for _ in 0..100 {
        assert_eq!(Message::decode(&next(&mut socket).await).unwrap().kind, Kind::OutputStreamData);
    }
}

#[tokio::test]
async fn a_client_without_a_token_is_refused_after_a_while() {
    let timers = Timers { open: Duration::from_millis(50), ..Timers::default() };
    let emulator = Emulator::start(Settings { timers, ..settings(echo().await) }).await.unwrap();
    let started = start(&emulator, &to_host()).await;
    let mut socket = connect(&started.url).await.unwrap();
    match socket.next().await.unwrap().unwrap() {
        Frame::Close(Some(frame)) => assert_eq!(frame.reason.as_str(), "No token"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_agents_first_message_has_the_bytes_of_the_protocol() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let started = start(&emulator, &to_host()).await;
    let mut socket = open(&started, text(&opening(&started, CLIENT, "1.2.999.0"))).await.unwrap();
    let bytes = next(&mut socket).await;
    assert_eq!(bytes[..4], [0, 0, 0, 116]);
    assert_eq!(bytes[4..36], *b"output_stream_data              ");
    assert_eq!(bytes[36..40], [0, 0, 0, 1]);
    assert_ne!(bytes[40..48], [0; 8]);
    assert_eq!(bytes[48..56], [0; 8]);
    assert_eq!(bytes[56..64], [0, 0, 0, 0, 0, 0, 0, 1]);
    // The id is a UUID of version 4; its halves are swapped.
    assert_eq!((bytes[72 + 6] >> 4, bytes[64] >> 6), (4, 2));
    assert_eq!(bytes[112..116], [0, 0, 0, 5]);
    let payload = concat!(
        r#"{"AgentVersion":"3.3.0.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":"#,
        r#"{"Properties":{"host":"shop.internal","localPortNumber":"0","portNumber":"3306","#,
        r#""type":"LocalPortForwarding"},"SessionType":"Port"}}]}"#
    );
    assert_eq!(bytes[116..120], u32::try_from(payload.len()).unwrap().to_be_bytes());
    assert_eq!(bytes[120..], *payload.as_bytes());

    let response = json!({ "ClientVersion": "1.2.999.0", "ProcessedClientActions": [], "Errors": null });
    let response = input(0, PayloadType::HANDSHAKE_RESPONSE, response.to_string());
    socket.send(Frame::Binary(response.encode())).await.unwrap();
    // The acknowledgement comes first: the official client may hang otherwise.
    let bytes = loop {
        let bytes = next(&mut socket).await;
        // The client has not acknowledged the request, which may come again.
        if Message::decode(&bytes).unwrap().payload_type != PayloadType::HANDSHAKE_REQUEST {
            break bytes;
        }
    };
    assert_eq!(bytes[4..36], *b"acknowledge                     ");
    assert_eq!(bytes[48..56], [0; 8]);
    assert_eq!(bytes[56..64], [0, 0, 0, 0, 0, 0, 0, 3]);
    assert_eq!(bytes[112..116], [0; 4]);
    let payload = [
        r#"{"AcknowledgedMessageType":"input_stream_data","AcknowledgedMessageId":""#,
        &response.id.to_string(),
        r#"","AcknowledgedMessageSequenceNumber":0,"IsSequentialMessage":true}"#,
    ]
    .concat();
    assert_eq!(bytes[120..], *payload.as_bytes());
}

/// Returns the numbers that are acknowledged, in their order, until `last` is.
async fn acknowledged(socket: &mut Socket, last: i64) -> Vec<i64> {
    let mut numbers = Vec::new();
    while numbers.last() != Some(&last) {
        let message = Message::decode(&next(socket).await).unwrap();
        if message.kind == Kind::Acknowledge {
            let content: Value = serde_json::from_slice(&message.payload).unwrap();
            numbers.push(content["AcknowledgedMessageSequenceNumber"].as_i64().unwrap());
        }
    }
    numbers
}

#[tokio::test]
async fn early_data_is_acknowledged_and_dropped_and_later_numbers_are_kept() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let started = start(&emulator, &to_host()).await;
    let mut socket = open(&started, text(&opening(&started, CLIENT, "1.2.999.0"))).await.unwrap();
    let mut send = async |message: Message| socket.send(Frame::Binary(message.encode())).await.unwrap();
    // Before the handshake; then one that is missing, and twice the same.
    send(input(0, PayloadType::OUTPUT, "lost")).await;
    send(input(2, PayloadType::OUTPUT, "x")).await;
    send(input(0, PayloadType::OUTPUT, "lost")).await;
    let response = json!({ "ClientVersion": "1.2.999.0", "ProcessedClientActions": [] });
    send(input(1, PayloadType::HANDSHAKE_RESPONSE, response.to_string())).await;
    assert_eq!(acknowledged(&mut socket, 1).await, [0, 2, 0, 1]);
    assert_eq!(emulator.stats().duplicates, 1);
}

#[tokio::test]
async fn a_message_with_a_wrong_digest_is_not_acknowledged() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let started = start(&emulator, &to_host()).await;
    let mut socket = open(&started, text(&opening(&started, CLIENT, "1.2.999.0"))).await.unwrap();
    let good = input(0, PayloadType::OUTPUT, "x").encode();
    let mut bad = good.to_vec();
    *bad.last_mut().unwrap() ^= 1;
    let second = input(1, PayloadType::OUTPUT, "y").encode();
    for bytes in [bad.into(), second, good] {
        socket.send(Frame::Binary(bytes)).await.unwrap();
    }
    assert_eq!(acknowledged(&mut socket, 0).await, [1, 0]);
}

#[tokio::test]
async fn a_client_that_refuses_an_action_ends_the_session() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let options = Options { status: 3, ..Options::default() };
    let mut client = Client::open(&emulator, &to_host(), options).await;
    let (_, reason) = client.until_closed().await;
    let expected =
        "Encountered error while initiating handshake. SessionType failed on client with status 3 error: no";
    assert_eq!(reason, expected);
}

#[tokio::test]
async fn a_client_that_does_not_answer_ends_the_session() {
    let timers = Timers { handshake: Duration::from_millis(100), ..Timers::default() };
    let emulator = Emulator::start(Settings { timers, ..settings(echo().await) }).await.unwrap();
    let options = Options { answers: false, ..Options::default() };
    let mut client = Client::open(&emulator, &to_host(), options).await;
    let (_, reason) = client.until_closed().await;
    assert!(reason.contains("Handshake timed out. Please ensure"), "{reason}");
    wait_for_stats(&emulator, |stats| (stats.agents, stats.channels) == (0, 0)).await;
}

#[tokio::test]
async fn a_message_without_an_acknowledgement_comes_again_unchanged() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let started = start(&emulator, &to_host()).await;
    let mut socket = open(&started, text(&opening(&started, CLIENT, "1.2.999.0"))).await.unwrap();
    let first = next(&mut socket).await;
    assert_eq!(next(&mut socket).await, first);
    assert_eq!(next(&mut socket).await, first);
    assert!(emulator.stats().resent >= 2);
}

#[tokio::test]
async fn over_tls_the_certificate_is_by_the_emulators_authority() {
    use std::sync::Arc;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

    let host = "ssmmessages.us-east-1.amazonaws.com";
    let settings = Settings { tls: true, stream_host: Some(host.into()), ..settings(echo().await) };
    let emulator = Emulator::start(settings).await.unwrap();
    let started = start(&emulator, &to_host()).await;
    let port = started.url.strip_prefix(&format!("wss://{host}:")).unwrap().split('/').next().unwrap();
    let address = format!("127.0.0.1:{port}");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(emulator.ca_pem().unwrap().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    for name in [host, "127.0.0.1"] {
        let stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config.clone()));
        let stream = connector.connect(ServerName::try_from(name).unwrap(), stream).await.unwrap();
        let resumed = call(&emulator, "ResumeSession", &json!({ "SessionId": started.id })).await.1;
        let first = opening(&Started::from(&resumed), CLIENT, "1.2.999.0");
        let (mut socket, _) = tokio_tungstenite::client_async(&started.url, stream).await.unwrap();
        socket.send(text(&first)).await.unwrap();
        let Frame::Binary(bytes) = socket.next().await.unwrap().unwrap() else { panic!("no message") };
        assert_eq!(Message::decode(&bytes).unwrap().kind, Kind::StartPublication);
    }
}

#[tokio::test]
async fn dropping_the_emulator_closes_its_sessions() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let mut client = Client::ready(&emulator, &to_host(), Options::default()).await;
    drop(emulator);
    assert_eq!(client.next().await, Received::Closed(String::new()));
}
