//! A client on the tunnel's codec: reliable over faults, resuming after closes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use rds_iam_emulator_ssm::Emulator;
use rds_iam_tunnel::content::{Acknowledgement, ChannelClosed, OpenDataChannel, to_json};
use rds_iam_tunnel::message::{Kind, Message, PayloadType, SCHEMA_VERSION};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use uuid::Uuid;

use crate::support::{call, post};

pub(crate) type Socket = WebSocketStream<TcpStream>;

/// How old a message is before the client sends it again.
const RESEND: Duration = Duration::from_millis(50);

/// The answer of StartSession or ResumeSession.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) url: String,
}

impl Started {
    pub(crate) fn from(answer: &Value) -> Self {
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        Self { id: text("SessionId"), token: text("TokenValue"), url: text("StreamUrl") }
    }
}

/// Starts a session.
pub(crate) async fn start(emulator: &Emulator, request: &Value) -> Started {
    let (status, answer) = call(emulator, "StartSession", request).await;
    assert_eq!(status, 200, "{answer}");
    Started::from(&answer)
}

/// The behaviour of a client.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) version: &'static str,
    /// The status of its answers to actions.
    pub(crate) status: u32,
    /// Whether it answers the handshake at all.
    pub(crate) answers: bool,
    /// The data key, as KMS would return it, and its cipher text.
    pub(crate) key: Option<(Vec<u8>, Vec<u8>)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { version: "1.2.999.0", status: 1, answers: true, key: None }
    }
}

/// What a client is sent, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Data(PayloadType, Bytes),
    /// The service has ended the session.
    Closed(String),
    /// The session cannot be resumed.
    Gone,
    /// The session has timed out.
    TimedOut,
}

/// A client of one session.
pub(crate) struct Client {
    input: mpsc::UnboundedSender<(PayloadType, Bytes)>,
    output: mpsc::UnboundedReceiver<Received>,
    task: JoinHandle<()>,
}

impl Client {
    /// Opens the data channel of a session, and completes the handshake.
    pub(crate) async fn ready(emulator: &Emulator, request: &Value, options: Options) -> Self {
        let mut client = Self::open(emulator, request, options).await;
        loop {
            match client.next().await {
                Received::Data(PayloadType::HANDSHAKE_COMPLETE, _) => return client,
                Received::Data(..) => {}
                other => panic!("no handshake: {other:?}"),
            }
        }
    }

    /// Opens the data channel of a session.
    pub(crate) async fn open(emulator: &Emulator, request: &Value, options: Options) -> Self {
        let started = start(emulator, request).await;
        let (input, to_send) = mpsc::unbounded_channel();
        let (received, output) = mpsc::unbounded_channel();
        let task = Task {
            endpoint: emulator.endpoint(),
            started,
            client: Uuid::from_u128(fastrand::u128(..)),
            options,
            next: 0,
            expected: 0,
            waiting: BTreeMap::new(),
            held: BTreeMap::new(),
            queue: VecDeque::new(),
            received,
        };
        Self { input, output, task: tokio::spawn(task.run(to_send)) }
    }

    pub(crate) fn send(&self, payload_type: PayloadType, payload: impl Into<Bytes>) {
        self.input.send((payload_type, payload.into())).unwrap();
    }

    /// Sends bytes in messages of at most 1,024.
    pub(crate) fn send_all(&self, bytes: &[u8]) {
        for part in bytes.chunks(1024) {
            self.send(PayloadType::OUTPUT, Bytes::copy_from_slice(part));
        }
    }

    pub(crate) async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(Duration::from_secs(30), self.output.recv());
        next.await.expect("the client received nothing in 30 s").expect("the client has ended")
    }

    /// Returns all output until the session is closed, and the reason.
    pub(crate) async fn until_closed(&mut self) -> (Vec<u8>, String) {
        let mut bytes = Vec::new();
        loop {
            match self.next().await {
                Received::Data(PayloadType::OUTPUT, payload) => bytes.extend_from_slice(&payload),
                Received::Data(..) => {}
                Received::Closed(reason) => return (bytes, reason),
                other => panic!("{other:?}"),
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Opens a WebSocket.
pub(crate) async fn connect(url: &str) -> Result<Socket, tokio_tungstenite::tungstenite::Error> {
    let address = url.trim_start_matches("ws://").split('/').next().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    Ok(tokio_tungstenite::client_async(url, stream).await?.0)
}

/// Returns the first message of a data channel.
pub(crate) fn opening(started: &Started, client: Uuid, version: &str) -> OpenDataChannel {
    OpenDataChannel {
        message_schema_version: "1.0".into(),
        request_id: Uuid::from_u128(fastrand::u128(..)).to_string(),
        token_value: started.token.clone(),
        client_id: client.to_string(),
        client_version: Some(version.into()),
        client_instance_id: None,
    }
}

/// Returns a stream message of the client.
pub(crate) fn input(sequence: i64, payload_type: PayloadType, payload: impl Into<Bytes>) -> Message {
    Message {
        kind: Kind::InputStreamData,
        schema_version: SCHEMA_VERSION,
        created: 1_767_225_600_000,
        sequence,
        flags: 0,
        id: Uuid::from_u128(fastrand::u128(..)),
        payload_type,
        payload: payload.into(),
    }
}

struct Task {
    endpoint: String,
    started: Started,
    client: Uuid,
    options: Options,
    next: i64,
    expected: i64,
    waiting: BTreeMap<i64, (Bytes, Instant)>,
    held: BTreeMap<i64, Message>,
    /// The messages to write on this WebSocket.
    queue: VecDeque<Bytes>,
    received: mpsc::UnboundedSender<Received>,
}

impl Task {
    async fn run(mut self, mut input: mpsc::UnboundedReceiver<(PayloadType, Bytes)>) {
        loop {
            if let Ok(socket) = connect(&self.started.url).await
                && let Some(last) = self.converse(socket, &mut input).await
            {
                self.received.send(last).ok();
                return;
            }
            let body = json!({ "SessionId": self.started.id }).to_string();
            let (status, _, answer) = post(&self.endpoint, "ResumeSession", &body).await;
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let last = match (status, answer["TokenValue"].as_str()) {
                (200, Some(_)) => {
                    self.started = Started::from(&answer);
                    continue;
                }
                (200, None) => Received::TimedOut,
                _ => Received::Gone,
            };
            self.received.send(last).ok();
            return;
        }
    }

    /// Uses one WebSocket. Returns the end of the session, or `None` for the end of the WebSocket.
    async fn converse(
        &mut self,
        socket: Socket,
        input: &mut mpsc::UnboundedReceiver<(PayloadType, Bytes)>,
    ) -> Option<Received> {
        let first = opening(&self.started, self.client, self.options.version);
        let first = Frame::text(serde_json::to_string(&first).unwrap());
        let (mut sink, mut stream) = socket.split();
        // Both directions at the same time: an agent that cannot send does not receive either.
        let (writer, mut to_write) = mpsc::channel(64);
        let writing = async {
            sink.send(first).await?;
            while let Some(bytes) = to_write.recv().await {
                sink.send(Frame::Binary(bytes)).await?;
            }
            std::future::pending::<Result<(), tokio_tungstenite::tungstenite::Error>>().await
        };
        tokio::pin!(writing);
        let mut ticks = tokio::time::interval(RESEND / 5);
        self.queue.clear();
        loop {
            tokio::select! {
                _ = &mut writing => return None,
                frame = stream.next() => match frame?.ok()? {
                    Frame::Binary(bytes) => {
                        // What is no message is ignored.
                        let Ok(message) = Message::decode(&bytes) else { continue };
                        if let Some(last) = self.handle(message) {
                            return Some(last);
                        }
                    }
                    Frame::Close(_) => return None,
                    _ => {}
                },
                Some((payload_type, payload)) = input.recv() => self.send(payload_type, payload),
                Ok(permit) = writer.reserve(), if !self.queue.is_empty() => {
                    permit.send(self.queue.pop_front().unwrap());
                }
                _ = ticks.tick(), if self.queue.is_empty() => {
                    let now = Instant::now();
                    for (bytes, sent_at) in self.waiting.values_mut().take(256) {
                        if now.duration_since(*sent_at) > RESEND {
                            *sent_at = now;
                            self.queue.push_back(bytes.clone());
                        }
                    }
                }
            }
        }
    }

    fn send(&mut self, payload_type: PayloadType, payload: Bytes) {
        let payload = match &self.options.key {
            Some((key, _)) if payload_type == PayloadType::OUTPUT => seal(&key[32..], &payload),
            _ => payload,
        };
        let bytes = input(self.next, payload_type, payload).encode();
        self.waiting.insert(self.next, (bytes.clone(), Instant::now()));
        self.next += 1;
        // A message that is lost with the WebSocket is sent again on the next one.
        self.queue.push_back(bytes);
    }

    /// Returns the end of the session if this is its last message.
    fn handle(&mut self, message: Message) -> Option<Received> {
        match message.kind {
            Kind::ChannelClosed => {
                let content: ChannelClosed = serde_json::from_slice(&message.payload).unwrap_or_default();
                return Some(Received::Closed(content.output));
            }
            Kind::Acknowledge => {
                let content: Acknowledgement = serde_json::from_slice(&message.payload).unwrap();
                self.waiting.remove(&content.acknowledged_message_sequence_number);
            }
            Kind::OutputStreamData => {
                let acknowledgement = Acknowledgement::of(&message).into_message(Uuid::from_u128(7), 1);
                self.queue.push_back(acknowledgement.encode());
                if message.sequence >= self.expected {
                    self.held.insert(message.sequence, message);
                }
                while let Some(message) = self.held.remove(&self.expected) {
                    self.expected += 1;
                    self.process(&message);
                }
            }
            _ => {}
        }
        None
    }

    fn process(&mut self, message: &Message) {
        let mut payload = message.payload.clone();
        match message.payload_type {
            PayloadType::HANDSHAKE_REQUEST if self.options.answers => {
                if let Some(response) = self.response(&payload) {
                    self.send(PayloadType::HANDSHAKE_RESPONSE, to_json(&response));
                }
            }
            PayloadType::CHALLENGE_REQUEST => {
                let (key, _) = self.options.key.clone().unwrap();
                let content: Value = serde_json::from_slice(&payload).unwrap();
                let challenge = BASE64_STANDARD.decode(content["Challenge"].as_str().unwrap()).unwrap();
                // With another key, the challenge cannot be read: the client answers with anything.
                let plain = open(&key[..32], &challenge).unwrap_or_else(|| vec![0; 64].into());
                let answer = seal(&key[32..], &plain);
                let answer = to_json(&json!({ "Challenge": BASE64_STANDARD.encode(answer) }));
                self.send(PayloadType::CHALLENGE_RESPONSE, answer);
            }
            PayloadType::OUTPUT | PayloadType::STDERR | PayloadType::EXIT_CODE => {
                if let Some((key, _)) = &self.options.key {
                    payload = open(&key[..32], &payload).unwrap();
                }
            }
            _ => {}
        }
        // The test may have ended.
        self.received.send(Received::Data(message.payload_type, payload)).ok();
    }

    /// Returns the answer to a handshake request, if it is one.
    fn response(&self, request: &[u8]) -> Option<Value> {
        let request: Value = serde_json::from_slice(request).ok()?;
        let actions = request["RequestedClientActions"].as_array()?.iter().map(|action| {
            let result = match (&action["ActionType"], &self.options.key) {
                (Value::String(name), Some((_, cipher_text))) if name == "KMSEncryption" => {
                    json!({ "KMSCipherTextKey": BASE64_STANDARD.encode(cipher_text), "KMSCipherTextHash": null })
                }
                _ => Value::Null,
            };
            json!({
                "ActionType": action["ActionType"],
                "ActionStatus": self.options.status,
                "ActionResult": result,
                "Error": if self.options.status == 1 { "" } else { "no" },
            })
        });
        let actions: Vec<_> = actions.collect();
        Some(
            json!({ "ClientVersion": self.options.version, "ProcessedClientActions": actions, "Errors": null }),
        )
    }
}

fn gcm(key: &[u8]) -> aws_lc_rs::aead::LessSafeKey {
    let key = aws_lc_rs::aead::UnboundKey::new(&aws_lc_rs::aead::AES_256_GCM, key).unwrap();
    aws_lc_rs::aead::LessSafeKey::new(key)
}

fn seal(key: &[u8], plain: &[u8]) -> Bytes {
    let nonce: [u8; 12] = std::array::from_fn(|_| fastrand::u8(..));
    let mut bytes = plain.to_vec();
    let unique = aws_lc_rs::aead::Nonce::assume_unique_for_key(nonce);
    gcm(key).seal_in_place_append_tag(unique, aws_lc_rs::aead::Aad::empty(), &mut bytes).unwrap();
    [&nonce[..], &bytes].concat().into()
}

fn open(key: &[u8], sealed: &[u8]) -> Option<Bytes> {
    let nonce = aws_lc_rs::aead::Nonce::try_assume_unique_for_key(&sealed[..12]).unwrap();
    let mut bytes = sealed[12..].to_vec();
    let plain = gcm(key).open_in_place(nonce, aws_lc_rs::aead::Aad::empty(), &mut bytes).ok()?;
    Some(Bytes::copy_from_slice(plain))
}
