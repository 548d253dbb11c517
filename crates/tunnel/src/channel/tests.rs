//! The channel against an agent made of the public codec.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Remote;
use crate::content::{to_json, uncounted};
use crate::streams::Streams;

const MS: Duration = Duration::from_millis(1);

struct Pair {
    channel: Channel,
    streams: Streams,
    agent: Sender,
    now: Instant,
}

impl Pair {
    fn new() -> Self {
        let remote = Remote { target: "i-1".to_owned(), host: "db".to_owned(), port: 5432 };
        let stamps = Stamps::new(fastrand::Rng::with_seed(1), || 1);
        Self {
            channel: Channel::new("s-1".to_owned(), "i-1".to_owned(), 1024, stamps),
            streams: Streams::new(remote, Duration::from_secs(5)),
            agent: Sender::new(Kind::OutputStreamData),
            now: Instant::now(),
        }
    }

    /// A pair after the handshake with an agent of this version.
    fn open(version: &str) -> Self {
        let mut pair = Self::new();
        pair.receive(5, &request(version, &json!([session_type()]))).unwrap();
        let sent = pair.sent().unwrap();
        pair.acknowledge(&sent[1]);
        pair.receive(7, &json!({"HandshakeTimeToComplete": 1, "CustomerMessage": ""})).unwrap();
        pair.sent().unwrap();
        assert!(pair.channel.is_open());
        pair
    }

    fn encode(&mut self, payload_type: u32, payload: &[u8]) -> Bytes {
        let payload = Bytes::copy_from_slice(payload);
        self.agent.send(PayloadType(payload_type), payload, Uuid::nil(), 1, self.now)
    }

    fn receive(&mut self, payload_type: u32, payload: &Value) -> Result<(), TunnelError> {
        let bytes = self.encode(payload_type, &to_json(payload));
        self.channel.receive(&bytes, self.now, &mut self.streams)
    }

    fn receive_bytes(&mut self, payload: &[u8]) -> Result<(), TunnelError> {
        let bytes = self.encode(1, payload);
        self.channel.receive(&bytes, self.now, &mut self.streams)
    }

    fn service(&mut self, kind: Kind, payload: &Value) -> Result<(), TunnelError> {
        let bytes = uncounted(kind, to_json(payload), Uuid::nil(), 1).encode();
        self.channel.receive(&bytes, self.now, &mut self.streams)
    }

    fn acknowledge(&mut self, message: &Message) {
        let bytes = Acknowledgement::of(message).into_message(Uuid::nil(), 1).encode();
        self.channel.receive(&bytes, self.now, &mut self.streams).unwrap();
    }

    /// Returns the messages that the client sends now.
    fn sent(&mut self) -> Result<Vec<Message>, TunnelError> {
        let mut sent = Vec::new();
        while let Some(bytes) = self.channel.next_message(self.now, &mut self.streams)? {
            sent.push(Message::decode(&bytes).unwrap());
        }
        Ok(sent)
    }
}

fn request(version: &str, actions: &Value) -> Value {
    json!({"AgentVersion": version, "RequestedClientActions": actions})
}

fn session_type() -> Value {
    let properties = json!({"portNumber": "5432", "host": "db", "type": "LocalPortForwarding"});
    json!({"ActionType": "SessionType", "ActionParameters": {"SessionType": "Port", "Properties": properties}})
}

fn parse(payload: &[u8]) -> Value {
    serde_json::from_slice(payload).unwrap()
}

#[test]
fn the_handshake_is_answered_and_nothing_is_sent_before_its_end() {
    let mut pair = Pair::new();
    pair.streams.open(None);
    assert_eq!(pair.sent().unwrap(), []);
    pair.receive(5, &request("3.3.0.0", &json!([session_type()]))).unwrap();
    let sent = pair.sent().unwrap();
    assert_eq!(sent.iter().map(|message| message.payload_type.0).collect::<Vec<_>>(), [0, 6]);
    let acknowledged = json!({
        "AcknowledgedMessageType": "output_stream_data",
        "AcknowledgedMessageId": "00000000-0000-0000-0000-000000000000",
        "AcknowledgedMessageSequenceNumber": 0,
        "IsSequentialMessage": true,
    });
    assert_eq!((parse(&sent[0].payload), sent[0].flags), (acknowledged, 3));
    let action = json!({"ActionType": "SessionType", "ActionStatus": 1, "ActionResult": null, "Error": ""});
    let response =
        json!({"ClientVersion": CLIENT_VERSION, "ProcessedClientActions": [action], "Errors": null});
    assert_eq!(parse(&sent[1].payload), response);
    assert_eq!((&sent[1].kind, sent[1].sequence, sent[1].flags), (&Kind::InputStreamData, 0, 0));
    pair.receive(7, &json!({"HandshakeTimeToComplete": 1, "CustomerMessage": ""})).unwrap();
    let sent = pair.sent().unwrap();
    assert_eq!(sent[1].payload, [1, 0, 0, 0, 3, 0, 0, 0].as_slice());
}

#[test]
fn encryption_is_refused_and_the_agent_is_sent_why() {
    let mut pair = Pair::new();
    let kms = json!({"ActionType": "KMSEncryption", "ActionParameters": {"KMSKeyId": "k"}});
    pair.receive(5, &request("3.3.0.0", &json!([session_type(), kms]))).unwrap();
    let mut answer = Value::Null;
    let error = loop {
        match pair.channel.next_message(pair.now, &mut pair.streams) {
            Ok(Some(bytes)) => answer = parse(&Message::decode(&bytes).unwrap().payload),
            Ok(None) => panic!("the session continues"),
            Err(error) => break error,
        }
    };
    let statuses: Vec<_> =
        [0, 1].map(|n| answer["ProcessedClientActions"][n]["ActionStatus"].clone()).to_vec();
    assert_eq!(statuses, [1, 2]);
    assert!(matches!(error, TunnelError::Encryption { .. }), "{error}");
}

#[test]
fn an_unknown_action_is_answered_as_unsupported() {
    let mut pair = Pair::new();
    pair.receive(5, &request("9.0.0.0", &json!([{"ActionType": "Dance"}]))).unwrap();
    let bytes =
        (0..2).map(|_| pair.channel.next_message(pair.now, &mut pair.streams).unwrap().unwrap()).last();
    let answer = parse(&Message::decode(&bytes.unwrap()).unwrap().payload);
    assert_eq!(answer["ProcessedClientActions"][0]["ActionStatus"], 3);
    let error = pair.sent().unwrap_err();
    assert!(error.to_string().contains("Dance"), "{error}");
}

#[test]
fn a_text_of_an_agent_or_the_service_begins_no_line() {
    let text = "x\n::error::\u{1b}[2J";
    let mut pair = Pair::open("3.3.0.0");
    let ended = pair.service(Kind::ChannelClosed, &json!({ "Output": text })).unwrap_err();
    let mut pair = Pair::new();
    pair.receive(5, &request("3.3.0.0", &json!([{ "ActionType": text }]))).unwrap();
    let unsupported = pair.sent().unwrap_err();
    for error in [ended, unsupported] {
        assert!(error.to_string().contains("x\\n::error::\\u{1b}[2J"), "{error}");
    }
}

#[test]
fn a_handshake_that_is_no_json_ends_the_session() {
    let mut pair = Pair::new();
    let bytes = pair.encode(5, b"nonsense");
    let ended = pair.channel.receive(&bytes, pair.now, &mut pair.streams);
    assert!(matches!(ended, Err(TunnelError::Handshake { .. })));
}

#[test]
fn a_session_is_not_opened_by_a_completion_without_a_request() {
    let mut pair = Pair::new();
    let error = pair.receive(7, &json!({})).unwrap_err();
    assert!(matches!(error, TunnelError::EarlyCompletion { .. }), "{error}");
    assert!(!pair.channel.is_open());
}

#[test]
fn a_repeated_message_is_acknowledged_again_and_its_bytes_are_not_repeated() {
    let mut pair = Pair::open("3.3.0.0");
    let id = pair.streams.open(None);
    pair.sent().unwrap();
    let bytes = pair.encode(1, &[1, 2, 1, 0, id as u8, 0, 0, 0, b'x']);
    for _ in 0..3 {
        pair.channel.receive(&bytes, pair.now, &mut pair.streams).unwrap();
        let sent = pair.sent().unwrap();
        assert_eq!(sent.len(), 1);
        assert_eq!(parse(&sent[0].payload)["AcknowledgedMessageSequenceNumber"], 2);
    }
}

#[test]
fn a_malformed_message_is_dropped_and_not_acknowledged() {
    let mut pair = Pair::open("3.3.0.0");
    let mut bytes = pair.encode(1, b"x").to_vec();
    *bytes.last_mut().unwrap() = b'y';
    pair.channel.receive(&bytes.into(), pair.now, &mut pair.streams).unwrap();
    pair.channel.receive(&Bytes::from_static(b"nonsense"), pair.now, &mut pair.streams).unwrap();
    assert_eq!((pair.sent().unwrap(), pair.channel.malformed()), (Vec::new(), 2));
}

#[test]
fn bytes_that_are_no_smux_end_the_session() {
    let mut pair = Pair::open("3.3.0.0");
    assert!(matches!(pair.receive_bytes(&[9; 8]), Err(TunnelError::Malformed { .. })));
}

#[test]
fn the_service_ends_the_session_with_its_reason() {
    let mut pair = Pair::open("3.3.0.0");
    let ended = pair.service(Kind::ChannelClosed, &json!({"Output": "idle for 20 minutes"})).unwrap_err();
    assert_eq!(ended.to_string(), "session s-1 was ended by the service: idle for 20 minutes");
    let ended = pair.service(Kind::ChannelClosed, &json!("nonsense")).unwrap_err();
    assert!(ended.to_string().contains("the service: no reason given. "), "{ended}");
}

#[test]
fn a_pause_lasts_until_the_service_or_the_agent_sends() {
    for end in [Kind::StartPublication, Kind::Acknowledge, Kind::OutputStreamData] {
        let mut pair = Pair::open("3.3.0.0");
        pair.service(Kind::PausePublication, &json!({})).unwrap();
        pair.streams.open(None);
        assert_eq!(pair.sent().unwrap(), []);
        match end {
            Kind::OutputStreamData => pair.receive_bytes(&[1, 3, 0, 0, 0, 0, 0, 0]).unwrap(),
            _ => pair.service(end, &json!({})).unwrap(),
        }
        assert_eq!(pair.sent().unwrap().last().unwrap().payload_type, PayloadType::OUTPUT);
    }
}

#[test]
fn other_messages_are_ignored() {
    let mut pair = Pair::open("3.3.0.0");
    for kind in [Kind::AgentSessionState, Kind::InputStreamData, Kind::Other("new".to_owned())] {
        pair.service(kind, &json!({})).unwrap();
    }
    pair.receive(99, &json!({})).unwrap();
    assert_eq!(pair.sent().unwrap().len(), 1, "the acknowledgement of the unknown payload");
}

#[test]
fn only_agents_that_end_idle_sessions_are_kept_alive() {
    for (version, is_kept) in [("3.1.1511.0", true), ("3.1.1512.0", false), ("3.0.196.0", false)] {
        let mut pair = Pair::open(version);
        pair.now += 10_000 * MS;
        assert_eq!(pair.channel.next_timeout(&pair.streams), is_kept.then_some(pair.now), "{version}");
        pair.channel.advance(pair.now, &mut pair.streams);
        let sent = pair.sent().unwrap();
        let expected: &[u8] = if is_kept { &[1, 3, 0, 0, 0, 0, 0, 0] } else { &[] };
        assert_eq!(sent.iter().flat_map(|message| message.payload.to_vec()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn an_agent_without_smux_is_sent_a_flag_at_the_end_of_a_connection() {
    let mut pair = Pair::open("3.0.196.0");
    assert!(pair.streams.basic().is_some());
    let id = pair.streams.open(None);
    pair.sent().unwrap();
    pair.streams.drop_stream(id);
    let sent = pair.sent().unwrap();
    assert_eq!(Flag::from_payload(&sent[0].payload), Some(Flag::DisconnectToPort));
    assert_eq!(pair.streams.count(), 1);
    pair.acknowledge(&sent[0]);
    assert_eq!(pair.streams.count(), 0);
}

#[test]
fn the_end_is_a_flag_that_the_agent_acknowledges() {
    let mut pair = Pair::open("3.3.0.0");
    pair.channel.terminate();
    assert!(!pair.channel.is_terminated());
    let sent = pair.sent().unwrap();
    assert_eq!(sent[0].payload_type, PayloadType::FLAG);
    assert_eq!(Flag::from_payload(&sent[0].payload), Some(Flag::TerminateSession));
    assert!(!pair.channel.is_terminated());
    pair.acknowledge(&sent[0]);
    assert!(pair.channel.is_terminated());
}

#[test]
fn a_new_connection_continues_all_counts_with_the_same_client() {
    let mut pair = Pair::open("3.3.0.0");
    let client = pair.channel.open_message("one").client_id;
    pair.streams.open(None);
    let sent = pair.sent().unwrap();
    pair.channel.reconnected(pair.now);
    assert_eq!(pair.channel.open_message("two").client_id, client);
    assert_eq!(pair.sent().unwrap(), sent);
    pair.streams.open(None);
    assert_eq!(pair.sent().unwrap()[0].sequence, sent[0].sequence + 1);
}

#[test]
fn the_token_is_in_no_debug_output() {
    let open = Pair::new().channel.open_message("secret");
    assert!(!format!("{open:?}").contains("secret"));
    assert!(!format!("{:?}", crate::Token::new("secret".to_owned())).contains("secret"));
}

/// Any message of the agent or the service; half of them are in order.
fn any_message() -> impl Strategy<Value = (Kind, Option<i64>, u32, Vec<u8>)> {
    let kind = prop_oneof![
        6 => Just(Kind::OutputStreamData), 1 => Just(Kind::Acknowledge), 1 => Just(Kind::PausePublication),
        1 => Just(Kind::StartPublication), 1 => Just(Kind::Other("new".to_owned())),
    ];
    let acknowledged = any::<i64>().prop_map(|number| {
        json!({
            "AcknowledgedMessageType": "", "AcknowledgedMessageId": "", "AcknowledgedMessageSequenceNumber": number,
        })
        .to_string()
        .into_bytes()
    });
    let frames =
        (0..5_u8, 0..10_u8, proptest::collection::vec(any::<u8>(), 0..20)).prop_map(|(command, id, data)| {
            [&[1, command, data.len() as u8, 0, id, 0, 0, 0], &data[..]].concat()
        });
    let payload = prop_oneof![acknowledged, frames, proptest::collection::vec(any::<u8>(), 0..50)];
    (kind, proptest::option::of(any::<i64>()), 0..14_u32, payload)
}

proptest! {
    #[test]
    fn no_message_breaks_the_channel(
        messages in proptest::collection::vec(any_message(), 0..40), is_basic: bool,
    ) {
        let mut pair = Pair::open(if is_basic { "3.0.196.0" } else { "3.1.1511.0" });
        let mut next = 2;
        for (number, (kind, sequence, payload_type, payload)) in messages.into_iter().enumerate() {
            if number % 5 == 0 {
                let id = pair.streams.open(None);
                pair.streams.end(id);
            }
            let sequence = sequence.unwrap_or(next);
            next += i64::from(sequence == next && kind == Kind::OutputStreamData);
            let message = Message {
                sequence, payload_type: PayloadType(payload_type),
                ..uncounted(kind, payload.into(), Uuid::nil(), 1)
            };
            if pair.channel.receive(&message.encode(), pair.now, &mut pair.streams).is_err() {
                return Ok(());
            }
            pair.now += 50 * MS;
            pair.channel.advance(pair.now, &mut pair.streams);
            pair.sent().unwrap();
            if let Some(next) = pair.channel.next_timeout(&pair.streams) {
                prop_assert!(next > pair.now, "the task would not sleep");
            }
        }
    }
}
