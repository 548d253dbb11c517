//! The faults: a client that resends and resumes gets every byte, and each fault happens.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use rds_iam_emulator_ssm::{Close, Emulator, Faults, Nonsense, Settings, Timers};
use rds_iam_tunnel::message::{Message, MessageError};
use rds_iam_tunnel::smux::frame::Command;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message as Frame;
use uuid::Uuid;

use crate::client::{Client, Options, Received, Started, connect, opening, start};
use crate::mux::Mux;
use crate::support::{call, echo, pattern, settings, to_host, wait_for_stats};

/// Starts an emulator whose agent resends quickly.
async fn quick() -> Emulator {
    let timers = Timers {
        resend: Duration::from_millis(1),
        first_timeout: Duration::from_millis(20),
        granularity: Duration::from_millis(2),
        ..Timers::default()
    };
    Emulator::start(Settings { timers, ..settings(echo().await) }).await.unwrap()
}

/// Sends bytes to the target and back, and checks that they are the same.
async fn there_and_back(mux: &mut Mux, stream: u32, length: usize) {
    let sent = pattern(length);
    mux.frame(Command::Syn, stream);
    mux.write(stream, &sent);
    mux.until(|mux| mux.received(stream).len() >= length).await;
    assert!(mux.received(stream) == sent);
}

#[tokio::test]
async fn lost_repeated_and_delayed_messages_are_made_up_for() {
    let emulator = quick().await;
    emulator.set_faults(Faults { loss: 0.05, repeat: 0.05, reorder: 0.05, seed: 3, ..Faults::default() });
    let mut mux = Mux::ready(&emulator).await;
    there_and_back(&mut mux, 3, 300_000).await;
    let stats = emulator.stats();
    assert!(
        stats.lost > 20 && stats.repeated > 20 && stats.resent > 10 && stats.duplicates > 10,
        "{stats:?}"
    );
    // Without faults, nothing more is lost.
    emulator.set_faults(Faults::default());
    let before = emulator.stats();
    there_and_back(&mut mux, 5, 50_000).await;
    assert_eq!((emulator.stats().lost, emulator.stats().repeated), (before.lost, before.repeated));
}

#[tokio::test]
async fn closes_after_a_number_of_bytes_are_survived() {
    for close in [Close::Frame, Close::Abrupt] {
        let emulator = quick().await;
        let mut mux = Mux::ready(&emulator).await;
        emulator.set_faults(Faults { close_after: Some(100_000), closes: 5, close, ..Faults::default() });
        there_and_back(&mut mux, 3, 1_000_000).await;
        let stats = emulator.stats();
        assert_eq!((stats.closed, stats.sessions, stats.dialled), (5, 1, 1), "{close:?}");
        assert_eq!(stats.opened, 6);
    }
}

#[tokio::test]
async fn closes_at_an_interval_are_survived() {
    let emulator = quick().await;
    emulator.set_faults(Faults {
        close_every: Some(Duration::from_millis(100)),
        closes: 3,
        ..Faults::default()
    });
    let mut mux = Mux::ready(&emulator).await;
    wait_for_stats(&emulator, |stats| stats.closed == 3 && stats.opened == 4).await;
    there_and_back(&mut mux, 3, 10_000).await;
    assert_eq!(emulator.stats().closed, 3);
}

#[tokio::test]
async fn a_websocket_has_a_lifetime() {
    let lifetime = Duration::from_millis(200);
    let settings = Settings { connection_lifetime: lifetime, ..settings(echo().await) };
    let emulator = Emulator::start(settings).await.unwrap();
    let mut mux = Mux::ready(&emulator).await;
    wait_for_stats(&emulator, |stats| stats.closed >= 2).await;
    there_and_back(&mut mux, 3, 1000).await;
}

#[tokio::test]
async fn a_close_has_code_1000_and_an_abrupt_one_has_none() {
    for (close, has_frame) in [(Close::Frame, true), (Close::Abrupt, false)] {
        let emulator = quick().await;
        emulator.set_faults(Faults { close_after: Some(0), close, ..Faults::default() });
        let started = start(&emulator, &to_host()).await;
        let mut socket = connect(&started.url).await.unwrap();
        let first = serde_json::to_string(&opening(&started, Uuid::nil(), "1.2.999.0")).unwrap();
        socket.send(Frame::text(first)).await.unwrap();
        let mut codes = Vec::new();
        while let Some(Ok(frame)) = socket.next().await {
            if let Frame::Close(frame) = frame {
                codes.push(u16::from(frame.unwrap().code));
            }
        }
        assert_eq!(codes, if has_frame { vec![1000] } else { vec![] });
    }
}

#[tokio::test]
async fn a_silent_channel_loses_nothing_and_answers_no_ping() {
    let emulator = quick().await;
    let mut mux = Mux::ready(&emulator).await;
    there_and_back(&mut mux, 3, 1000).await;
    emulator.set_faults(Faults { silent: true, ..Faults::default() });
    mux.write(3, b"later");
    let started = start(&emulator, &to_host()).await;
    // A data channel still opens: only its messages are kept.
    let mut socket = connect(&started.url).await.unwrap();
    let first = serde_json::to_string(&opening(&started, Uuid::nil(), "1.2.999.0")).unwrap();
    socket.send(Frame::text(first)).await.unwrap();
    let Frame::Binary(_) = socket.next().await.unwrap().unwrap() else { panic!("not opened") };
    socket.send(Frame::Ping(vec![1].into())).await.unwrap();
    let next = tokio::time::timeout(Duration::from_millis(300), socket.next()).await;
    assert!(next.is_err(), "{next:?}");
    emulator.set_faults(Faults::default());
    mux.until(|mux| mux.received(3).ends_with(b"later")).await;
    // The answer to the ping, and the agent's request.
    let mut pongs = 0;
    while pongs == 0 {
        pongs += usize::from(matches!(socket.next().await.unwrap().unwrap(), Frame::Pong(_)));
    }
}

#[tokio::test]
async fn a_silent_session_can_be_ended() {
    let emulator = quick().await;
    let mut mux = Mux::ready(&emulator).await;
    emulator.set_faults(Faults { silent: true, ..Faults::default() });
    let id = emulator.sessions().remove(0);
    emulator.end_session(&id, "over");
    assert_eq!(mux.client.next().await, Received::Closed("over".into()));
}

#[tokio::test]
async fn nonsense_is_what_it_says() {
    for (nonsense, is_expected) in [
        (Nonsense::Text, (|frame| matches!(frame, Frame::Text(_))) as fn(&Frame) -> bool),
        (Nonsense::Short, |frame| {
            decoded(frame, |error| {
                matches!(error, MessageError::HeaderLength { .. } | MessageError::Short { .. })
            })
        }),
        (Nonsense::HeaderLength, |frame| {
            decoded(frame, |error| matches!(error, MessageError::HeaderLength { .. }))
        }),
        (Nonsense::Digest, |frame| decoded(frame, |error| matches!(error, MessageError::Digest { .. }))),
        (Nonsense::Type, |frame| {
            let Frame::Binary(bytes) = frame else { return false };
            Message::decode(bytes).is_ok_and(|message| message.kind.as_str() == "agent_job")
        }),
    ] {
        let emulator = quick().await;
        emulator.set_faults(Faults { nonsense: Some(nonsense), ..Faults::default() });
        let started = start(&emulator, &to_host()).await;
        let mut socket = connect(&started.url).await.unwrap();
        let first = serde_json::to_string(&opening(&started, Uuid::nil(), "1.2.999.0")).unwrap();
        socket.send(Frame::text(first)).await.unwrap();
        let _publication = socket.next().await.unwrap().unwrap();
        let frame = socket.next().await.unwrap().unwrap();
        assert!(is_expected(&frame), "{nonsense:?}: {frame:?}");
        // A client that ignores it can use the session.
        let (_, answer) = call(&emulator, "ResumeSession", &json!({ "SessionId": started.id })).await;
        assert!(!Started::from(&answer).token.is_empty());
        let mut mux = Mux::ready(&emulator).await;
        there_and_back(&mut mux, 3, 100).await;
    }
}

fn decoded(frame: &Frame, check: fn(&MessageError) -> bool) -> bool {
    let Frame::Binary(bytes) = frame else { return false };
    Message::decode(bytes).is_err_and(|error| check(&error))
}

#[tokio::test]
async fn a_page_is_no_websocket() {
    let emulator = quick().await;
    emulator.set_faults(Faults { nonsense: Some(Nonsense::Page), ..Faults::default() });
    let started = start(&emulator, &to_host()).await;
    match connect(&started.url).await {
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => assert_eq!(response.status(), 200),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_handshake_can_be_nonsense() {
    let timers = Timers { handshake: Duration::from_millis(100), ..Timers::default() };
    let emulator = Emulator::start(Settings { timers, ..settings(echo().await) }).await.unwrap();
    emulator.set_faults(Faults { nonsense: Some(Nonsense::Handshake), ..Faults::default() });
    let mut client = Client::open(&emulator, &to_host(), Options::default()).await;
    let Received::Data(_, payload) = client.next().await else { panic!("no request") };
    assert!(serde_json::from_slice::<serde_json::Value>(&payload).is_err());
}

#[tokio::test]
async fn a_stream_can_be_nonsense() {
    let emulator = quick().await;
    emulator.set_faults(Faults { nonsense: Some(Nonsense::Smux), ..Faults::default() });
    let mut client = Client::ready(&emulator, &to_host(), Options::default()).await;
    let Received::Data(_, mut payload) = client.next().await else { panic!("no data") };
    assert!(rds_iam_tunnel::smux::frame::Decoder::default().next(&mut payload).is_err());
}
