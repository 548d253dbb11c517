//! The tunnel of this repository against the emulator: another client than that of the other tests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rds_iam_emulator_ssm::{Calls, Emulator, Faults, Instance, Nonsense, Operation, Settings, Timers};
use rds_iam_tunnel::{Options, Remote, StreamError, Tunnel, TunnelError, native_tls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{HOST, INSTANCE, PORT, echo, pattern, settings, wait_for_stats};

fn remote(host: &str) -> Remote {
    Remote { target: INSTANCE.into(), host: host.into(), port: PORT }
}

async fn emulator(settings: Settings) -> Arc<Emulator> {
    Arc::new(Emulator::start(settings).await.unwrap())
}

async fn tunnel(emulator: &Arc<Emulator>) -> Tunnel {
    let calls = Calls::new(emulator);
    Tunnel::start(calls, remote(HOST), native_tls().unwrap(), Options::default()).await.unwrap()
}

/// Returns the times of an agent that sends a lost message again at once.
pub(crate) fn timers() -> Timers {
    Timers {
        resend: Duration::from_millis(1),
        first_timeout: Duration::from_millis(20),
        granularity: Duration::from_millis(2),
        ..Timers::default()
    }
}

fn quick(target: SocketAddr) -> Settings {
    Settings { timers: timers(), ..settings(target) }
}

/// Sends bytes to the target and back through a new stream, and checks that they are the same.
async fn there_and_back(tunnel: &Tunnel, length: usize) {
    let sent = pattern(length);
    let (mut read, mut write) = tokio::io::split(tunnel.open().await.unwrap());
    let mut received = vec![0; length];
    let (written, read) = tokio::join!(write.write_all(&sent), read.read_exact(&mut received));
    written.unwrap();
    read.unwrap();
    assert!(received == sent);
}

#[tokio::test]
async fn bytes_go_there_and_back_and_the_end_leaves_nothing() {
    let emulator = emulator(settings(echo().await)).await;
    let tunnel = tunnel(&emulator).await;
    there_and_back(&tunnel, 2_000_000).await;
    let many = (0..50).map(|length| there_and_back(&tunnel, 1000 + length));
    futures_util::future::join_all(many).await;
    wait_for_stats(&emulator, |stats| (stats.streams, stats.dialled) == (0, 51)).await;
    tunnel.close().await;
    wait_for_stats(&emulator, |stats| (stats.agents, stats.channels) == (0, 0)).await;
    assert!(emulator.sessions().is_empty());
}

#[tokio::test]
async fn lost_and_repeated_messages_and_closes_are_survived() {
    let emulator = emulator(quick(echo().await)).await;
    emulator.set_faults(Faults {
        loss: 0.02,
        repeat: 0.02,
        close_after: Some(400_000),
        closes: 5,
        seed: 1,
        ..Faults::default()
    });
    let tunnel = tunnel(&emulator).await;
    there_and_back(&tunnel, 3_000_000).await;
    let stats = emulator.stats();
    assert_eq!((stats.closed, stats.sessions, stats.dialled), (5, 1, 1), "{stats:?}");
    assert!(stats.lost > 0 && stats.repeated > 0, "{stats:?}");
}

/// Messages that make no sense are ignored. What the tunnel cannot do without ends it, with its name.
#[tokio::test]
async fn a_websocket_that_answers_nonsense_is_named() {
    for (nonsense, expected) in [
        (Nonsense::Page, "Check what answers for 127.0.0.1: a proxy or portal of this network"),
        (Nonsense::Text, ""),
        (Nonsense::Short, ""),
        (Nonsense::HeaderLength, ""),
        (Nonsense::Digest, ""),
        (Nonsense::Type, ""),
        (Nonsense::Handshake, "the handshake of the agent on i-0123456789abcdef0 could not be read"),
        (Nonsense::Smux, "the bytes from the agent in session "),
    ] {
        let emulator = emulator(quick(echo().await)).await;
        emulator.set_faults(Faults { nonsense: Some(nonsense), ..Faults::default() });
        let calls = Calls::new(&emulator);
        let started = Tunnel::start(calls, remote(HOST), native_tls().unwrap(), Options::default()).await;
        match started {
            Ok(tunnel) => {
                there_and_back(&tunnel, 1000).await;
                assert_eq!(expected, "", "{nonsense:?} is ignored");
            }
            Err(error) => {
                let error = error.to_string();
                assert!(!expected.is_empty() && error.contains(expected), "{nonsense:?}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn an_old_agent_forwards_one_connection_at_a_time() {
    let instance = Instance { agent_version: "3.0.196.0".into(), ..Instance::new(INSTANCE) };
    let emulator = emulator(Settings { instances: vec![instance], ..settings(echo().await) }).await;
    let tunnel = tunnel(&emulator).await;
    there_and_back(&tunnel, 100_000).await;
    there_and_back(&tunnel, 100_000).await;
}

#[tokio::test]
async fn the_reason_of_an_end_reaches_the_user() {
    let metadata = "169.254.169.254:80".parse().unwrap();
    let emulator = emulator(settings(metadata)).await;
    let calls = Calls::new(&emulator);
    let started = Tunnel::start(calls, remote(HOST), native_tls().unwrap(), Options::default()).await;
    let error = match started {
        Err(error) => format!("{error:?}"),
        Ok(tunnel) => format!("{:?}", tunnel.open().await.err()),
    };
    assert!(error.contains("Forwarding to IP address shop.internal is forbidden."), "{error}");
}

#[tokio::test]
async fn a_session_that_may_not_be_resumed_fails_with_the_denial_and_is_terminated() {
    let emulator = emulator(quick(echo().await)).await;
    let tunnel = tunnel(&emulator).await;
    let mut stream = tunnel.open().await.unwrap();
    emulator.deny(Operation::ResumeSession, "");
    emulator.set_faults(Faults { close_after: Some(0), closes: 1, ..Faults::default() });
    stream.write_all(b"question").await.unwrap();
    let error = stream.read_u8().await.unwrap_err();
    let error = error.get_ref().and_then(|inner| inner.downcast_ref::<StreamError>());
    let Some(StreamError::Ended(reason)) = error else { panic!("{error:?}") };
    let TunnelError::Refused { source, .. } = &**reason else { panic!("{reason}") };
    assert!(source.to_string().contains("not authorized to perform: ssm:ResumeSession"), "{source}");
    wait_for_stats(&emulator, |_| emulator.sessions().is_empty()).await;
    // The next connection has another session.
    there_and_back(&tunnel, 1000).await;
    assert_eq!(emulator.stats().sessions, 2);
}
