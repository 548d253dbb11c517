//! The agent: its end of the data channel, and the streams in it.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use rds_iam_tunnel::content::{Acknowledgement, to_json};
use rds_iam_tunnel::message::{Flag, Kind, Message, PayloadType};
use rds_iam_tunnel::reliable::{Receipt, Receiver, Sender};
use rds_iam_tunnel::smux::frame::{self, Command, Decoder, Event};
use serde_json::json;
use uuid::Uuid;

/// The behaviour of the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Target {
    #[default]
    Echo,
    /// Sends so many bytes and closes.
    Source(usize),
    /// Accepts all, and answers with one byte for each MiB.
    Sink,
    /// Accepts no connection.
    Refused,
}

/// The behaviour of the peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Behaviour {
    pub(crate) target: Target,
    /// The agent's version; 3.3.0.0 if empty.
    pub(crate) version: &'static str,
    /// In percent of the messages, each way.
    pub(crate) lost: u8,
    pub(crate) repeated: u8,
    /// The messages after which each connection is closed, one after the other.
    pub(crate) closes: Vec<usize>,
    /// The messages after which the first connection is silent, and stays open.
    pub(crate) silent_after: Option<usize>,
    /// The handshake's second action.
    pub(crate) action: Option<&'static str>,
    /// The service sends text that is no protocol.
    pub(crate) is_nonsense: bool,
    /// The service ends the session after so many messages.
    pub(crate) ends_after: Option<usize>,
    /// `ResumeSession` says that the session is gone.
    pub(crate) is_gone: bool,
}

/// The state of an agent, which outlives its connections.
pub(crate) struct Agent {
    pub(crate) sender: Sender,
    receiver: Receiver,
    decoder: Decoder,
    /// Sent and received bytes of the byte stream.
    outgoing: BytesMut,
    /// The bytes that each source has to send; the first one is served first.
    sources: BTreeMap<u32, usize>,
    sunk: usize,
    pub(crate) flags: Vec<Flag>,
    is_open: bool,
    pub(crate) client: String,
}

impl Agent {
    pub(crate) fn new() -> Self {
        Self {
            sender: Sender::new(Kind::OutputStreamData),
            receiver: Receiver::default(),
            decoder: Decoder::default(),
            outgoing: BytesMut::new(),
            sources: BTreeMap::new(),
            sunk: 0,
            flags: Vec::new(),
            is_open: false,
            client: String::new(),
        }
    }

    fn send(&mut self, payload_type: PayloadType, payload: Bytes) -> Bytes {
        let id = Uuid::from_u128(fastrand::u128(..));
        self.sender.send(payload_type, payload, id, 1, Instant::now())
    }

    pub(crate) fn handshake(&mut self, behaviour: &Behaviour) -> Bytes {
        let mut actions = vec![json!({
            "ActionType": "SessionType",
            "ActionParameters": {"SessionType": "Port", "Properties": {"type": "LocalPortForwarding"}},
        })];
        if let Some(action) = behaviour.action {
            actions.push(json!({"ActionType": action, "ActionParameters": {"KMSKeyId": "key"}}));
        }
        let version = if behaviour.version.is_empty() { "3.3.0.0" } else { behaviour.version };
        let request = json!({"AgentVersion": version, "RequestedClientActions": actions});
        self.send(PayloadType::HANDSHAKE_REQUEST, to_json(&request))
    }

    pub(crate) fn next_message(&mut self, now: Instant, behaviour: &Behaviour) -> Option<Bytes> {
        if let Some(bytes) = self.sender.poll_resend(now) {
            return Some(bytes);
        }
        if !self.sender.has_room() {
            return None;
        }
        if self.outgoing.len() < 64 * 1024
            && let Some((&id, remaining)) = self.sources.iter_mut().next()
        {
            let length = (*remaining).min(16 * 1024);
            // Each byte is known by its position from the end.
            let data: Vec<u8> = (0..length).map(|n| ((*remaining - n) % 251) as u8).collect();
            *remaining -= length;
            let is_last = *remaining == 0;
            self.write(id, &data, behaviour);
            if is_last {
                self.sources.remove(&id);
                frame::write_header(&mut self.outgoing, Command::Fin, id, 0);
            }
        }
        let length = self.outgoing.len().min(1024);
        let data = self.outgoing.split_to(length).freeze();
        (length > 0).then(|| self.send(PayloadType::OUTPUT, data))
    }

    fn is_basic(behaviour: &Behaviour) -> bool {
        behaviour.version.starts_with("2.")
    }

    fn write(&mut self, id: u32, data: &[u8], behaviour: &Behaviour) {
        if Self::is_basic(behaviour) {
            self.outgoing.extend_from_slice(data);
        } else {
            frame::write_data(&mut self.outgoing, id, data);
        }
    }

    pub(crate) fn receive(&mut self, bytes: &Bytes, behaviour: &Behaviour) -> Vec<Bytes> {
        let message = Message::decode(bytes).unwrap();
        match message.kind {
            Kind::Acknowledge => {
                let content: Acknowledgement = serde_json::from_slice(&message.payload).unwrap();
                self.sender.acknowledge(content.acknowledged_message_sequence_number, Instant::now());
                Vec::new()
            }
            Kind::InputStreamData => {
                let acknowledgement = Acknowledgement::of(&message).into_message(Uuid::nil(), 1).encode();
                let receipt = self.receiver.receive(message);
                let mut answers = Vec::new();
                if receipt == Receipt::Acknowledge {
                    answers.push(acknowledgement);
                }
                while let Some(message) = self.receiver.next() {
                    answers.extend(self.process(message, behaviour));
                }
                // They are sent from the end.
                answers.reverse();
                answers
            }
            _ => Vec::new(),
        }
    }

    fn process(&mut self, message: Message, behaviour: &Behaviour) -> Option<Bytes> {
        match message.payload_type {
            PayloadType::HANDSHAKE_RESPONSE => {
                self.is_open = true;
                let complete = json!({"HandshakeTimeToComplete": 1, "CustomerMessage": "welcome"});
                return Some(self.send(PayloadType::HANDSHAKE_COMPLETE, to_json(&complete)));
            }
            PayloadType::FLAG => self.flags.extend(Flag::from_payload(&message.payload)),
            PayloadType::OUTPUT if Self::is_basic(behaviour) => {
                self.data(0, &message.payload, behaviour);
            }
            PayloadType::OUTPUT => {
                let mut payload = message.payload;
                while let Some(event) = self.decoder.next(&mut payload).unwrap() {
                    match event {
                        Event::Opened(id) => match behaviour.target {
                            Target::Source(length) => drop(self.sources.insert(id, length)),
                            Target::Refused => {
                                frame::write_header(&mut self.outgoing, Command::Fin, id, 0);
                                return Some(
                                    self.send(PayloadType::FLAG, Flag::ConnectToPortError.to_payload()),
                                );
                            }
                            Target::Echo | Target::Sink => {}
                        },
                        Event::Data(id, data) => self.data(id, &data, behaviour),
                        Event::Closed(id) => {
                            self.sources.remove(&id);
                            frame::write_header(&mut self.outgoing, Command::Fin, id, 0);
                        }
                        Event::KeepAlive => {}
                    }
                }
            }
            _ => {}
        }
        None
    }

    fn data(&mut self, id: u32, data: &[u8], behaviour: &Behaviour) {
        match behaviour.target {
            Target::Echo | Target::Refused => self.write(id, data, behaviour),
            Target::Source(_) => {}
            Target::Sink => {
                let before = self.sunk >> 20;
                self.sunk += data.len();
                let answer = vec![b'.'; (self.sunk >> 20) - before];
                if !answer.is_empty() {
                    self.write(id, &answer, behaviour);
                }
            }
        }
    }
}
