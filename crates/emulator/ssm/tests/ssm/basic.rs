//! Basic mode: an agent or a client that is too old for smux.

use rds_iam_emulator_ssm::{Emulator, Instance, Settings};
use rds_iam_tunnel::message::{Flag, PayloadType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{Client, Options, Received};
use crate::support::{INSTANCE, echo, pattern, refusing, settings, target, to_host, wait_for_stats};

fn with_old_agent(settings: Settings, version: &str) -> Settings {
    let instance = Instance { agent_version: version.into(), ..Instance::new(INSTANCE) };
    Settings { instances: vec![instance], ..settings }
}

/// Returns the next `length` bytes.
async fn read(client: &mut Client, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        match client.next().await {
            Received::Data(PayloadType::OUTPUT, payload) => bytes.extend_from_slice(&payload),
            other => panic!("{other:?}"),
        }
    }
    bytes
}

#[tokio::test]
async fn an_old_agent_and_an_old_client_use_one_connection_without_smux() {
    let address = echo().await;
    for (agent, client) in [("3.0.196.0", "1.2.999.0"), ("2.3.722.0", "1.2.999.0"), ("3.3.0.0", "1.1.69.9")] {
        let emulator = Emulator::start(with_old_agent(settings(address), agent)).await.unwrap();
        let options = Options { version: client, ..Options::default() };
        let mut client = Client::ready(&emulator, &to_host(), options).await;
        let sent = pattern(50_000);
        client.send_all(&sent);
        assert!(read(&mut client, sent.len()).await == sent, "{agent}");
        assert_eq!(emulator.stats().dialled, 1);
    }
}

#[tokio::test]
async fn an_agent_one_number_newer_uses_smux() {
    let emulator = Emulator::start(with_old_agent(settings(echo().await), "3.0.196.1")).await.unwrap();
    let client = Client::ready(&emulator, &to_host(), Options::default()).await;
    let mut mux = crate::mux::Mux::of(client);
    mux.frame(rds_iam_tunnel::smux::frame::Command::Syn, 3);
    mux.write(3, b"x");
    mux.until(|mux| mux.received(3) == b"x").await;
}

#[tokio::test]
async fn the_flag_of_the_client_closes_the_connection_and_data_opens_the_next() {
    let address = target(|mut stream| async move {
        let mut bytes = Vec::new();
        let mut buffer = [0; 16];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            bytes.extend_from_slice(&buffer[..length]);
            stream.write_all(&bytes).await.unwrap();
        }
    })
    .await;
    let emulator = Emulator::start(with_old_agent(settings(address), "3.0.196.0")).await.unwrap();
    let mut client = Client::ready(&emulator, &to_host(), Options::default()).await;
    client.send(PayloadType::OUTPUT, "a");
    assert_eq!(read(&mut client, 1).await, b"a");
    client.send(PayloadType::FLAG, Flag::DisconnectToPort.to_payload());
    client.send(PayloadType::OUTPUT, "b");
    // Another connection: the target knows nothing of the first.
    assert_eq!(read(&mut client, 1).await, b"b");
    assert_eq!(emulator.stats().dialled, 2);
    client.send(PayloadType::FLAG, Flag::TerminateSession.to_payload());
    assert_eq!(client.until_closed().await.1, "");
    wait_for_stats(&emulator, |stats| (stats.streams, stats.agents) == (0, 0)).await;
}

#[tokio::test]
async fn a_target_that_closes_is_dialled_again_and_without_a_word_to_the_client() {
    let address = target(|mut stream| async move {
        let mut byte = [0; 1];
        stream.read_exact(&mut byte).await.unwrap();
        stream.write_all(&byte).await.unwrap();
    })
    .await;
    let emulator = Emulator::start(with_old_agent(settings(address), "3.0.196.0")).await.unwrap();
    let mut client = Client::ready(&emulator, &to_host(), Options::default()).await;
    for byte in [b"a", b"b", b"c"] {
        client.send(PayloadType::OUTPUT, &byte[..]);
        assert_eq!(read(&mut client, 1).await, byte);
        wait_for_stats(&emulator, |stats| stats.streams == 0).await;
    }
}

#[tokio::test]
async fn a_target_that_refuses_ends_the_session() {
    let emulator = Emulator::start(with_old_agent(settings(refusing().await), "3.0.196.0")).await.unwrap();
    let mut client = Client::ready(&emulator, &to_host(), Options::default()).await;
    let (_, reason) = client.until_closed().await;
    assert!(reason.starts_with("Unable to connect to specified port: "), "{reason}");
}
