//! Mux mode: streams of smux version 1 to a real target.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rds_iam_emulator_ssm::{Emulator, Settings, Timers};
use rds_iam_tunnel::message::{Flag, PayloadType};
use rds_iam_tunnel::smux::frame::{Command, Decoder, Event, write_data, write_header};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use crate::client::{Client, Options, Received};
use crate::support::{
    HOST, INSTANCE, PORT, REMOTE_HOST, echo, pattern, refusing, settings, target, to_host, wait_for_stats,
};

/// The client's end of smux.
pub(crate) struct Mux {
    pub(crate) client: Client,
    decoder: Decoder,
    pub(crate) data: BTreeMap<u32, Vec<u8>>,
    pub(crate) closed: BTreeSet<u32>,
    pub(crate) nops: usize,
    pub(crate) failures: usize,
}

impl Mux {
    pub(crate) async fn ready(emulator: &Emulator) -> Self {
        Self::of(Client::ready(emulator, &to_host(), Options::default()).await)
    }

    pub(crate) fn of(client: Client) -> Self {
        Self {
            client,
            decoder: Decoder::default(),
            data: BTreeMap::new(),
            closed: BTreeSet::new(),
            nops: 0,
            failures: 0,
        }
    }

    pub(crate) fn frame(&self, command: Command, stream: u32) {
        let mut buffer = BytesMut::new();
        write_header(&mut buffer, command, stream, 0);
        self.client.send_all(&buffer);
    }

    pub(crate) fn write(&self, stream: u32, data: &[u8]) {
        let mut buffer = BytesMut::new();
        write_data(&mut buffer, stream, data);
        self.client.send_all(&buffer);
    }

    /// Receives until a condition holds.
    pub(crate) async fn until(&mut self, check: impl Fn(&Self) -> bool) {
        while !check(self) {
            match self.client.next().await {
                Received::Data(PayloadType::OUTPUT, payload) => self.take(payload),
                Received::Data(PayloadType::FLAG, payload) => {
                    assert_eq!(Flag::from_payload(&payload), Some(Flag::ConnectToPortError));
                    self.failures += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn take(&mut self, mut payload: Bytes) {
        while let Some(event) = self.decoder.next(&mut payload).unwrap() {
            match event {
                Event::Data(stream, data) => self.data.entry(stream).or_default().extend_from_slice(&data),
                Event::Closed(stream) => drop(self.closed.insert(stream)),
                Event::KeepAlive => self.nops += 1,
                Event::Opened(stream) => panic!("the agent opens {stream}"),
            }
        }
    }

    pub(crate) fn received(&self, stream: u32) -> &[u8] {
        self.data.get(&stream).map_or(&[], Vec::as_slice)
    }
}

#[tokio::test]
async fn streams_reach_the_target_at_the_same_time() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let mut mux = Mux::ready(&emulator).await;
    let sent: BTreeMap<u32, Vec<u8>> = (0..8).map(|n| (3 + 2 * n, pattern(100_000 + n as usize))).collect();
    for id in sent.keys() {
        mux.frame(Command::Syn, *id);
    }
    for (id, data) in &sent {
        mux.write(*id, data);
    }
    mux.until(|mux| sent.iter().all(|(id, data)| mux.received(*id).len() >= data.len())).await;
    assert!(mux.data == sent);
    assert_eq!(emulator.stats().streams, 8);
    for id in sent.keys() {
        mux.frame(Command::Fin, *id);
    }
    mux.until(|mux| mux.closed.len() == 8).await;
    wait_for_stats(&emulator, |stats| stats.streams == 0).await;
}

#[tokio::test]
async fn the_borders_of_messages_mean_nothing() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let mut mux = Mux::ready(&emulator).await;
    let mut bytes = BytesMut::new();
    for id in [3, 5, 7] {
        write_header(&mut bytes, Command::Syn, id, 0);
    }
    for id in [3, 5, 7] {
        write_data(&mut bytes, id, b"ping\n");
    }
    // The first message ends in a header, and each of the others has one byte.
    mux.client.send(PayloadType::OUTPUT, bytes.split_to(27).freeze());
    for byte in &bytes {
        mux.client.send(PayloadType::OUTPUT, vec![*byte]);
    }
    mux.until(|mux| [3, 5, 7].iter().all(|id| mux.received(*id) == b"ping\n")).await;
}

#[tokio::test]
async fn an_end_on_either_side_ends_both_directions() {
    let (ends, mut ended) = mpsc::unbounded_channel();
    let address = target(move |mut stream| {
        let ends = ends.clone();
        async move {
            let mut first = [0; 1];
            stream.read_exact(&mut first).await.unwrap();
            if first == *b"q" {
                stream.write_all(b"bye").await.unwrap();
                return;
            }
            let mut rest = Vec::new();
            let result = stream.read_to_end(&mut rest).await;
            ends.send((result.is_ok(), rest)).unwrap();
        }
    })
    .await;
    let emulator = Emulator::start(settings(address)).await.unwrap();
    let mut mux = Mux::ready(&emulator).await;
    mux.frame(Command::Syn, 3);
    mux.write(3, b"q");
    mux.until(|mux| mux.closed.contains(&3)).await;
    assert_eq!(mux.received(3), b"bye");
    // What was sent before the end arrives.
    mux.frame(Command::Syn, 5);
    mux.write(5, b"last words");
    mux.frame(Command::Fin, 5);
    mux.until(|mux| mux.closed.contains(&5)).await;
    assert_eq!(ended.recv().await.unwrap(), (true, b"ast words".to_vec()));
    // Data and an end for a stream that is not open are ignored, and so is a second opening.
    mux.write(5, b"x");
    mux.frame(Command::Fin, 99);
    mux.frame(Command::Syn, 7);
    mux.frame(Command::Syn, 7);
    mux.write(7, b"q");
    mux.until(|mux| mux.closed.contains(&7)).await;
    assert_eq!(emulator.stats().dialled, 3);
}

#[tokio::test]
async fn a_target_that_refuses_is_reported_and_its_stream_closed() {
    let emulator = Emulator::start(settings(refusing().await)).await.unwrap();
    let mut mux = Mux::ready(&emulator).await;
    mux.frame(Command::Syn, 3);
    mux.until(|mux| mux.closed.contains(&3) && mux.failures == 1).await;
    // The session continues.
    emulator.hosts().set("other.internal", PORT, vec![echo().await]);
    mux.frame(Command::Syn, 5);
    mux.until(|mux| mux.closed.contains(&5) && mux.failures == 2).await;
    assert_eq!(emulator.stats().failed, 2);
}

#[tokio::test]
async fn all_addresses_of_a_host_are_tried() {
    let settings = Settings::with_instance(INSTANCE);
    settings.hosts.set(HOST, PORT, vec![refusing().await, refusing().await, echo().await]);
    let emulator = Emulator::start(settings).await.unwrap();
    let mut mux = Mux::ready(&emulator).await;
    mux.frame(Command::Syn, 3);
    mux.write(3, b"found");
    mux.until(|mux| mux.received(3) == b"found").await;
}

#[tokio::test]
async fn a_host_that_does_not_resolve_fails_at_each_stream() {
    let emulator = Emulator::start(Settings::with_instance(INSTANCE)).await.unwrap();
    let request = json!({
        "Target": INSTANCE,
        "DocumentName": REMOTE_HOST,
        "Parameters": { "host": ["no-such-host.invalid"], "portNumber": ["5432"] },
    });
    let mut mux = Mux::of(Client::ready(&emulator, &request, Options::default()).await);
    mux.frame(Command::Syn, 3);
    mux.until(|mux| mux.closed.contains(&3) && mux.failures == 1).await;
}

#[tokio::test]
async fn forbidden_addresses_end_the_session_in_the_words_of_the_agent() {
    let metadata: SocketAddr = "169.254.169.254:80".parse().unwrap();
    let mut settings = Settings::with_instance(INSTANCE);
    settings.network = Some((Ipv4Addr::new(10, 0, 0, 0), 16));
    settings.hosts.set("metadata.internal", 80, vec![metadata]);
    let emulator = Emulator::start(settings).await.unwrap();
    for host in ["169.254.169.254", "fd00:ec2::253", "10.0.0.2", "10.0.255.255", "metadata.internal"] {
        let request = json!({
            "Target": INSTANCE,
            "DocumentName": REMOTE_HOST,
            "Parameters": { "host": [host], "portNumber": ["80"] },
        });
        let mut client = Client::ready(&emulator, &request, Options::default()).await;
        let expected = format!("Forwarding to IP address {host} is forbidden.");
        assert_eq!(client.until_closed().await, (Vec::new(), expected));
    }
}

#[tokio::test]
async fn without_a_host_the_instance_itself_is_the_target() {
    let address = echo().await;
    let emulator = Emulator::start(Settings::with_instance(INSTANCE)).await.unwrap();
    let request = json!({
        "Target": INSTANCE,
        "DocumentName": "AWS-StartPortForwardingSession",
        "Parameters": { "portNumber": [address.port().to_string()] },
    });
    let mut mux = Mux::of(Client::ready(&emulator, &request, Options::default()).await);
    mux.frame(Command::Syn, 3);
    mux.write(3, b"here");
    mux.until(|mux| mux.received(3) == b"here").await;
}

#[tokio::test]
async fn the_flag_of_the_client_ends_the_session() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let mut mux = Mux::ready(&emulator).await;
    mux.frame(Command::Syn, 3);
    mux.write(3, b"a");
    mux.until(|mux| mux.received(3) == b"a").await;
    mux.client.send(PayloadType::FLAG, Flag::TerminateSession.to_payload());
    assert_eq!(mux.client.until_closed().await.1, "");
    wait_for_stats(&emulator, |stats| (stats.agents, stats.streams, stats.channels) == (0, 0, 0)).await;
}

#[tokio::test]
async fn bytes_that_are_no_smux_end_the_session() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let mut mux = Mux::ready(&emulator).await;
    mux.client.send(PayloadType::OUTPUT, vec![2, 0, 0, 0, 3, 0, 0, 0]);
    assert_eq!(mux.client.until_closed().await.1, "");
}

#[tokio::test]
async fn a_target_that_does_not_read_stalls_its_session_only_until_it_reads() {
    let (permit, permitted) = tokio::sync::watch::channel(false);
    let address = target(move |mut stream| {
        let mut permitted = permitted.clone();
        async move {
            let mut first = [0; 1];
            stream.read_exact(&mut first).await.unwrap();
            if first == *b"s" {
                permitted.wait_for(|permitted| *permitted).await.unwrap();
            }
            let mut length = 1;
            let mut buffer = vec![0; 65536];
            loop {
                match stream.read(&mut buffer).await.unwrap() {
                    0 => return,
                    read => length += read,
                }
                stream.write_all(format!("{length} ").as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let emulator = Emulator::start(settings(address)).await.unwrap();
    let (mut stuck, mut other) = (Mux::ready(&emulator).await, Mux::ready(&emulator).await);
    stuck.frame(Command::Syn, 3);
    stuck.write(3, b"s");
    // More than the sockets and the agent's buffer take.
    let length = 24 << 20;
    stuck.write(3, &vec![0; length]);
    stuck.frame(Command::Syn, 5);
    stuck.write(5, b"ab");
    other.frame(Command::Syn, 3);
    other.write(3, b"ab");
    other.until(|mux| mux.received(3) == b"2 ").await;
    assert_eq!(stuck.received(5), b"");
    permit.send_replace(true);
    let total = format!(" {} ", length + 1);
    stuck.until(|mux| mux.received(3).ends_with(total.as_bytes()) && mux.received(5) == b"2 ").await;
}

#[tokio::test]
async fn a_client_up_to_1_2_331_is_kept_alive_and_cut_when_it_is_silent() {
    let timers = Timers {
        keep_alive: Duration::from_millis(20),
        keep_alive_timeout: Duration::from_millis(400),
        ..Timers::default()
    };
    let emulator = Emulator::start(Settings { timers, ..settings(echo().await) }).await.unwrap();
    let options = Options { version: "1.2.331.0", ..Options::default() };
    let mut mux = Mux::of(Client::ready(&emulator, &to_host(), options).await);
    // One that is newer is not.
    let mut newer = Mux::ready(&emulator).await;
    mux.until(|mux| mux.nops > 3).await;
    let (_, reason) = mux.client.until_closed().await;
    assert_eq!(reason, "");
    newer.frame(Command::Syn, 3);
    newer.write(3, b"alive");
    newer.until(|mux| mux.received(3) == b"alive").await;
    assert_eq!(newer.nops, 0);
}

#[tokio::test]
async fn fifty_connections_come_and_go_without_a_leak() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let mut mux = Mux::ready(&emulator).await;
    for round in 0..4 {
        let ids: Vec<u32> = (0..50).map(|n| 3 + 2 * (50 * round + n)).collect();
        for id in &ids {
            mux.frame(Command::Syn, *id);
            mux.write(*id, &id.to_le_bytes());
        }
        mux.until(|mux| ids.iter().all(|id| mux.received(*id) == id.to_le_bytes())).await;
        for id in &ids {
            mux.frame(Command::Fin, *id);
        }
        mux.until(|mux| ids.iter().all(|id| mux.closed.contains(id))).await;
    }
    wait_for_stats(&emulator, |stats| (stats.streams, stats.dialled) == (0, 200)).await;
}
