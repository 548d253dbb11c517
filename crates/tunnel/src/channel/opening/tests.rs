//! A channel with a terminal against an agent made of the public codec.

use std::task::{Context, Poll, Waker};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::channel::Stamps;
use crate::content::{Acknowledgement, to_json};
use crate::message::{Kind, Message};
use crate::terminal::Terminal;
use crate::{ShellEvent, TerminalSize};

struct Pair {
    channel: Channel,
    terminal: Terminal,
    agent: Sender,
    now: Instant,
}

impl Pair {
    fn new() -> Self {
        let stamps = Stamps::new(fastrand::Rng::with_seed(1), || 1);
        Self {
            channel: Channel::new("s-1".to_owned(), "i-1".to_owned(), 100, stamps),
            terminal: Terminal::new(TerminalSize::default()),
            agent: Sender::new(Kind::OutputStreamData),
            now: Instant::now(),
        }
    }

    /// A pair whose agent has requested encryption.
    fn encrypted(challenge: &str) -> Self {
        let mut pair = Self::new();
        let parameters = json!({ "KMSKeyId": "alias/sessions", "Challenge": challenge });
        let actions = json!([
            { "ActionType": "SessionType", "ActionParameters": { "SessionType": "InteractiveCommands" } },
            { "ActionType": "KMSEncryption", "ActionParameters": parameters },
        ]);
        let request = json!({ "AgentVersion": "3.3.0.0", "RequestedClientActions": actions });
        pair.receive(5, &to_json(&request)).unwrap();
        pair
    }

    /// Receives the agent's challenge, and returns what the client sends.
    fn challenge(&mut self) -> Result<Vec<(u32, Bytes)>, TunnelError> {
        let question = BASE64_STANDARD.encode(agent_cipher().encrypt(b"question").unwrap());
        self.receive(8, &to_json(&json!({ "Challenge": question })))?;
        self.sent()
    }

    fn receive(&mut self, payload_type: u32, payload: &[u8]) -> Result<(), TunnelError> {
        let payload = Bytes::copy_from_slice(payload);
        let bytes = self.agent.send(PayloadType(payload_type), payload, Uuid::nil(), 1, self.now);
        self.channel.receive(&bytes, self.now, &mut self.terminal)
    }

    /// Returns the types and payloads of the stream messages that the client sends now, and acknowledges them.
    fn sent(&mut self) -> Result<Vec<(u32, Bytes)>, TunnelError> {
        let mut sent = Vec::new();
        while let Some(bytes) = self.channel.next_message(self.now, &mut self.terminal)? {
            let message = Message::decode(&bytes).unwrap();
            if message.kind == Kind::InputStreamData {
                let answer = Acknowledgement::of(&message).into_message(Uuid::nil(), 1).encode();
                self.channel.receive(&answer, self.now, &mut self.terminal)?;
                sent.push((message.payload_type.0, message.payload));
            }
        }
        Ok(sent)
    }

    fn write(&mut self, data: &[u8]) {
        let written = self.terminal.poll_write(&mut Context::from_waker(Waker::noop()), data);
        assert!(matches!(written, Poll::Ready(Ok(length)) if length == data.len()));
    }

    fn read(&mut self) -> ShellEvent {
        match self.terminal.poll_read(&mut Context::from_waker(Waker::noop()), &mut false) {
            Poll::Ready(event) => event.unwrap(),
            Poll::Pending => panic!("nothing was received"),
        }
    }
}

fn types(sent: &[(u32, Bytes)]) -> Vec<u32> {
    sent.iter().map(|(payload_type, _)| *payload_type).collect()
}

fn data_key() -> DataKey {
    DataKey::new((0..64).collect(), b"sealed".to_vec())
}

/// Returns the agent's keys.
fn agent_cipher() -> Cipher {
    let swapped = (32..64).chain(0..32).collect();
    Cipher::new(&DataKey::new(swapped, Vec::new())).unwrap()
}

#[test]
fn output_opens_a_session_without_a_handshake() {
    let mut pair = Pair::new();
    pair.write(b"ls\r");
    assert_eq!(types(&pair.sent().unwrap()), [3], "the size, and no input");
    pair.receive(1, b"$ ").unwrap();
    assert!(pair.channel.is_open());
    assert_eq!(pair.read(), ShellEvent::Output("$ ".into()));
    let sent = pair.sent().unwrap();
    assert_eq!(types(&sent), [3, 1]);
    assert_eq!(sent[1].1, "ls\r");
}

#[test]
fn an_agent_that_prints_nothing_is_open_when_it_requests_no_handshake() {
    let mut pair = Pair::new();
    assert_eq!(pair.channel.next_timeout(&pair.terminal), None);
    pair.sent().unwrap();
    assert_eq!(pair.channel.next_timeout(&pair.terminal), Some(pair.now + QUIET));
    pair.channel.advance(pair.now, &mut pair.terminal);
    assert!(!pair.channel.is_open());
    pair.now += QUIET;
    pair.channel.advance(pair.now, &mut pair.terminal);
    assert!(pair.channel.is_open());
    assert_eq!(pair.channel.next_timeout(&pair.terminal), None);
}

#[test]
fn a_late_handshake_is_answered_unless_input_was_lost() {
    for input in ["", "ls\r"] {
        let mut pair = Pair::new();
        pair.sent().unwrap();
        pair.now += QUIET;
        pair.channel.advance(pair.now, &mut pair.terminal);
        pair.write(input.as_bytes());
        pair.sent().unwrap();
        let request = json!({ "AgentVersion": "3.3.0.0", "RequestedClientActions": [] });
        let received = pair.receive(5, &to_json(&request));
        if input.is_empty() {
            received.unwrap();
            assert!(!pair.channel.is_open());
            assert_eq!(types(&pair.sent().unwrap()), [6]);
        } else {
            assert!(matches!(received, Err(TunnelError::LateHandshake { .. })));
        }
    }
}

#[test]
fn a_handshake_after_output_is_ignored() {
    let mut pair = Pair::new();
    pair.receive(1, b"$ ").unwrap();
    let request = json!({ "AgentVersion": "3.3.0.0", "RequestedClientActions": [] });
    pair.receive(5, &to_json(&request)).unwrap();
    assert_eq!(types(&pair.sent().unwrap()), [3], "the size");
}

#[test]
fn a_handshake_is_awaited_once_it_has_begun() {
    let mut pair = Pair::new();
    pair.sent().unwrap();
    let request =
        json!({ "AgentVersion": "3.3.0.0", "RequestedClientActions": [{ "ActionType": "SessionType" }] });
    pair.receive(5, &to_json(&request)).unwrap();
    pair.now += 10 * QUIET;
    pair.channel.advance(pair.now, &mut pair.terminal);
    assert!(!pair.channel.is_open());
    assert_eq!(types(&pair.sent().unwrap()), [6]);
    pair.receive(7, b"{}").unwrap();
    assert!(pair.channel.is_open());
}

#[test]
fn a_session_with_a_key_is_encrypted_in_both_directions() {
    for (challenge, acknowledged) in [("", Value::Null), ("random", json!(true))] {
        let mut pair = Pair::encrypted(challenge);
        assert_eq!(types(&pair.sent().unwrap()), [0_u32; 0], "no answer without a key");
        let request = pair.channel.key_request().unwrap();
        assert_eq!(
            (&*request.key_id, &*request.session_id, &*request.target),
            ("alias/sessions", "s-1", "i-1")
        );
        assert_eq!(request.challenge.as_deref().unwrap_or_default(), challenge);
        pair.channel.set_key(Ok(data_key()));
        let sent = pair.sent().unwrap();
        assert_eq!(types(&sent), [6]);
        let response: Value = serde_json::from_slice(&sent[0].1).unwrap();
        let action = &response["ProcessedClientActions"][1];
        assert_eq!((&action["ActionStatus"], &action["Error"]), (&json!(1), &json!("")));
        assert_eq!(action["ActionResult"]["KMSCipherTextKey"], BASE64_STANDARD.encode("sealed"));
        assert_eq!(action["ActionResult"]["ChallengeAcknowledgement"], acknowledged);

        let agent = agent_cipher();
        let sent = pair.challenge().unwrap();
        assert_eq!(types(&sent), [9]);
        let answer: Value = serde_json::from_slice(&sent[0].1).unwrap();
        let answer = BASE64_STANDARD.decode(answer["Challenge"].as_str().unwrap()).unwrap();
        assert_eq!(agent.decrypt(&answer).unwrap(), "question");

        pair.receive(7, b"{}").unwrap();
        pair.receive(1, &agent.encrypt(b"$ ").unwrap()).unwrap();
        assert_eq!(pair.read(), ShellEvent::Output("$ ".into()));
        pair.write(&[b'x'; 150]);
        let sent = pair.sent().unwrap();
        assert_eq!(types(&sent), [3, 1, 1, 1], "the size, and messages of at most 100 bytes");
        let input = sent[1..].iter().flat_map(|(_, payload)| {
            assert!(payload.len() <= 100);
            agent.decrypt(payload).unwrap()
        });
        assert_eq!(input.collect::<Vec<u8>>(), [b'x'; 150]);
    }
}

#[test]
fn the_name_of_a_key_begins_no_line() {
    let mut pair = Pair::new();
    let action =
        json!({ "ActionType": "KMSEncryption", "ActionParameters": { "KMSKeyId": "alias/x\n::error::" } });
    let request = json!({ "AgentVersion": "3.3.0.0", "RequestedClientActions": [action] });
    pair.receive(5, &to_json(&request)).unwrap();
    assert_eq!(pair.channel.key_request().unwrap().key_id, "alias/x\\n::error::");
}

#[test]
fn without_a_data_key_the_agent_and_the_caller_are_sent_why() {
    let failures: [Result<DataKey, ApiError>; 2] =
        [Err("AccessDeniedException".into()), Ok(DataKey::new(vec![0; 32], Vec::new()))];
    for failure in failures {
        let mut pair = Pair::encrypted("");
        pair.channel.set_key(failure);
        let mut response = Value::Null;
        let error = loop {
            match pair.channel.next_message(pair.now, &mut pair.terminal) {
                Ok(Some(bytes)) => {
                    let message = Message::decode(&bytes).unwrap();
                    response = serde_json::from_slice(&message.payload).unwrap();
                }
                Ok(None) => panic!("the session continues"),
                Err(error) => break error,
            }
        };
        assert_eq!(response["ProcessedClientActions"][1]["ActionStatus"], 2);
        assert!(error.to_string().contains("the KMS key alias/sessions"), "{error}");
    }
}

#[test]
fn a_payload_that_is_not_encrypted_ends_an_encrypted_session() {
    let mut pair = Pair::encrypted("");
    pair.channel.set_key(Ok(data_key()));
    let error = pair.receive(8, br#"{"Challenge":"bm8="}"#).unwrap_err();
    assert!(matches!(error, TunnelError::Cipher { .. }), "{error}");

    let mut pair = Pair::encrypted("");
    pair.channel.set_key(Ok(data_key()));
    pair.sent().unwrap();
    pair.challenge().unwrap();
    pair.receive(7, b"{}").unwrap();
    let error = pair.receive(1, b"in clear").unwrap_err();
    assert!(matches!(error, TunnelError::Cipher { .. }), "{error}");
}

#[test]
fn a_handshake_is_not_complete_before_its_last_step() {
    let mut not_begun = Pair::new();
    let mut without_key = Pair::encrypted("");
    without_key.sent().unwrap();
    let mut without_challenge = Pair::encrypted("");
    without_challenge.channel.set_key(Ok(data_key()));
    without_challenge.sent().unwrap();
    let mut without_answer = Pair::new();
    let request = json!({ "AgentVersion": "3.3.0.0", "RequestedClientActions": [] });
    without_answer.receive(5, &to_json(&request)).unwrap();
    for pair in [&mut not_begun, &mut without_key, &mut without_challenge, &mut without_answer] {
        let error = pair.receive(7, b"{}").unwrap_err();
        assert!(matches!(error, TunnelError::EarlyCompletion { .. }), "{error}");
        assert!(!pair.channel.is_open());
    }
}

#[test]
fn a_completion_after_a_refusal_does_not_open_the_session() {
    let mut pair = Pair::encrypted("");
    pair.channel.set_key(Err("AccessDeniedException".into()));
    let error = pair.receive(7, b"{}").unwrap_err();
    assert!(matches!(error, TunnelError::DataKey { .. }), "{error}");
}
