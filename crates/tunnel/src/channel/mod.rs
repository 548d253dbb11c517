//! The protocol of a session's data channel, from the client's end: the handshake, the reliable streams of both
//! directions, and the messages of the service. It does no I/O, and the time is passed in.

mod handshake;
mod opening;
#[cfg(test)]
mod tests;
mod version;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use self::opening::Opening;
pub(crate) use self::version::CLIENT_VERSION;
use crate::TunnelError;
use crate::content::{Acknowledgement, OpenDataChannel};
use crate::encryption::{self, Cipher};
use crate::message::{Flag, Kind, Message, PayloadType};
use crate::payloads::{Output, Payloads};
use crate::reliable::{Receipt, Receiver, Sender};
use crate::text::escape;

/// The time between frames that keep the session with an older agent.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The most acknowledgements that wait to be sent before nothing more is received: more than the 100,000 messages for
/// which an agent waits, so that two ends that both wait to send still read.
const MAX_ACKNOWLEDGEMENTS: usize = 128 * 1024;

/// The identifiers and creation times of messages.
#[derive(Debug)]
pub(crate) struct Stamps {
    random: fastrand::Rng,
    /// Returns ms since 1970.
    wall_clock: fn() -> u64,
}

impl Stamps {
    pub(crate) fn new(random: fastrand::Rng, wall_clock: fn() -> u64) -> Self {
        Self { random, wall_clock }
    }

    pub(crate) fn id(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random.u128(..).to_be_bytes()).into_uuid()
    }

    fn created(&self) -> u64 {
        (self.wall_clock)()
    }
}

/// The flag that asks the agent to end the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Termination {
    None,
    Requested,
    Sent(i64),
}

#[derive(Debug)]
pub(crate) struct Channel {
    session_id: String,
    target: String,
    client_id: Uuid,
    chunk: usize,
    stamps: Stamps,
    sender: Sender,
    receiver: Receiver,
    /// The ids and numbers of received messages.
    acknowledgements: VecDeque<(Uuid, i64)>,
    opening: Opening,
    /// The keys of an encrypted session.
    cipher: Option<Cipher>,
    keep_alive: Option<Instant>,
    /// The flag of basic mode that the agent has not acknowledged.
    disconnecting: Option<i64>,
    termination: Termination,
    malformed: u64,
}

impl Channel {
    pub(crate) fn new(session_id: String, target: String, chunk: usize, mut stamps: Stamps) -> Self {
        Self {
            session_id,
            target,
            client_id: stamps.id(),
            chunk,
            stamps,
            sender: Sender::new(Kind::InputStreamData),
            receiver: Receiver::default(),
            acknowledgements: VecDeque::new(),
            opening: Opening::default(),
            cipher: None,
            keep_alive: None,
            disconnecting: None,
            termination: Termination::None,
            malformed: 0,
        }
    }

    /// Returns the first message of a connection.
    pub(crate) fn open_message(&mut self, token: &str) -> OpenDataChannel {
        OpenDataChannel {
            message_schema_version: "1.0".to_owned(),
            request_id: self.stamps.id().to_string(),
            token_value: token.to_owned(),
            client_id: self.client_id.to_string(),
            client_version: Some(CLIENT_VERSION.to_owned()),
            client_instance_id: None,
        }
    }

    /// Notes that another connection carries the channel from now on. All counts continue.
    pub(crate) fn reconnected(&mut self, now: Instant) {
        self.sender.reconnected(now);
    }

    /// Returns whether the handshake is complete, or the agent has started without one.
    pub(crate) fn is_open(&self) -> bool {
        self.opening.is_open
    }

    /// Returns the instance.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// Returns the number of messages that could not be read.
    pub(crate) fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Notes a message that is none of the protocol.
    pub(crate) fn count_malformed(&mut self, reason: &dyn std::fmt::Display) {
        self.malformed += 1;
        if self.malformed == 1 {
            tracing::warn!(session = self.session_id, %reason, "a malformed message was dropped");
        } else {
            let count = self.malformed;
            tracing::debug!(session = self.session_id, %reason, count, "a malformed message was dropped");
        }
    }

    /// Requests that the agent ends the session.
    pub(crate) fn terminate(&mut self) {
        if self.termination == Termination::None {
            self.termination = Termination::Requested;
        }
    }

    /// Returns whether the agent has acknowledged the request to end.
    pub(crate) fn is_terminated(&self) -> bool {
        matches!(self.termination, Termination::Sent(sequence) if self.sender.is_acknowledged(sequence))
    }

    /// Returns whether a message may be received. If not, the connection is not read, and the agent waits.
    pub(crate) fn wants_input(&self, payloads: &mut impl Payloads) -> bool {
        self.acknowledgements.len() < MAX_ACKNOWLEDGEMENTS && !payloads.is_full()
    }

    /// Receives a binary message. One that cannot be read is counted; the agent sends it again.
    ///
    /// # Errors
    /// Returns the reason why the session has ended.
    pub(crate) fn receive(
        &mut self,
        bytes: &Bytes,
        now: Instant,
        payloads: &mut impl Payloads,
    ) -> Result<(), TunnelError> {
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(error) => {
                self.count_malformed(&error);
                return Ok(());
            }
        };
        match message.kind {
            Kind::OutputStreamData => {
                self.sender.resume();
                let received = (message.id, message.sequence);
                if self.receiver.receive(message) == Receipt::Acknowledge {
                    self.acknowledgements.push_back(received);
                }
                self.process(now, payloads)
            }
            Kind::Acknowledge => {
                self.sender.resume();
                match serde_json::from_slice::<Acknowledgement>(&message.payload) {
                    Ok(content) => {
                        self.acknowledge(content.acknowledged_message_sequence_number, now, payloads);
                    }
                    Err(error) => self.count_malformed(&error),
                }
                Ok(())
            }
            Kind::ChannelClosed => {
                // The reason is for people: one that cannot be read does not keep the session alive.
                let closed: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
                let output = escape(closed["Output"].as_str().unwrap_or_default());
                Err(TunnelError::Ended { session_id: self.session_id.clone(), output })
            }
            Kind::PausePublication => {
                self.sender.pause();
                Ok(())
            }
            Kind::StartPublication => {
                self.sender.resume();
                Ok(())
            }
            Kind::InputStreamData | Kind::AgentSessionState | Kind::Other(_) => Ok(()),
        }
    }

    fn acknowledge(&mut self, sequence: i64, now: Instant, payloads: &mut impl Payloads) {
        self.sender.acknowledge(sequence, now);
        self.opening.acknowledged(&self.sender, now);
        if self.disconnecting.is_some_and(|flag| self.sender.is_acknowledged(flag)) {
            self.disconnecting = None;
            payloads.flag_acknowledged();
        }
    }

    /// Processes the messages that are in order, while their payloads have room.
    ///
    /// # Errors
    /// Returns the reason why the session has ended.
    pub(crate) fn process<P: Payloads>(&mut self, now: Instant, payloads: &mut P) -> Result<(), TunnelError> {
        while !payloads.is_full()
            && let Some(message) = self.receiver.next()
        {
            match message.payload_type {
                PayloadType::HANDSHAKE_REQUEST if self.opening.may_begin() => {
                    self.begin_handshake(&message.payload, now, payloads)?;
                }
                PayloadType::CHALLENGE_REQUEST if !self.is_open() && self.cipher.is_some() => {
                    self.answer_challenge(&message.payload)?;
                }
                // In an open session it means nothing, and is ignored below.
                PayloadType::HANDSHAKE_COMPLETE if !self.is_open() => {
                    self.complete_handshake(&message.payload)?;
                }
                payload_type => {
                    if P::IS_COMMAND && opening::is_output(payload_type) {
                        self.opening.has_output();
                    }
                    if self.is_open() {
                        let payload = self.decrypt(payload_type, message.payload)?;
                        let session_id = &self.session_id;
                        payloads.receive(payload_type, payload, now).map_err(|source| {
                            TunnelError::Malformed { session_id: session_id.clone(), source }
                        })?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the next message to send.
    ///
    /// # Errors
    /// Returns the reason why the handshake was refused, once the agent was sent the refusal.
    pub(crate) fn next_message<P: Payloads>(
        &mut self,
        now: Instant,
        payloads: &mut P,
    ) -> Result<Option<Bytes>, TunnelError> {
        if let Some((id, sequence)) = self.acknowledgements.pop_front() {
            let content = Acknowledgement::new(&Kind::OutputStreamData, id, sequence);
            return Ok(Some(content.into_message(self.stamps.id(), self.stamps.created()).encode()));
        }
        if let Some(message) = self.sender.poll_resend(now) {
            return Ok(Some(message));
        }
        if !self.sender.has_room() {
            return Ok(None);
        }
        if let Some((payload_type, answer)) = self.opening.answer.take() {
            return Ok(Some(self.send(payload_type, answer, now)));
        }
        if let Some(refusal) = self.opening.refusal.take() {
            return Err(refusal);
        }
        if P::IS_COMMAND && self.opening.wants_probe() {
            self.opening.probed(self.sender.next_sequence());
            return Ok(Some(self.send(PayloadType::SIZE, payloads.probe(), now)));
        }
        if self.termination == Termination::Requested {
            self.termination = Termination::Sent(self.sender.next_sequence());
            return Ok(Some(self.send(PayloadType::FLAG, Flag::TerminateSession.to_payload(), now)));
        }
        if !self.is_open() || self.termination != Termination::None {
            return Ok(None);
        }
        let overhead = if self.cipher.is_some() { encryption::OVERHEAD } else { 0 };
        Ok(match payloads.next_output(self.chunk.saturating_sub(overhead).max(1)) {
            Some(Output::Data(data)) => {
                self.opening.has_input();
                let data = self.encrypt(data)?;
                Some(self.send(PayloadType::OUTPUT, data, now))
            }
            Some(Output::Size(size)) => Some(self.send(PayloadType::SIZE, size, now)),
            Some(Output::Flag(flag)) => {
                self.disconnecting = Some(self.sender.next_sequence());
                Some(self.send(PayloadType::FLAG, flag.to_payload(), now))
            }
            None => None,
        })
    }

    fn send(&mut self, payload_type: PayloadType, payload: Bytes, now: Instant) -> Bytes {
        let (id, created) = (self.stamps.id(), self.stamps.created());
        self.sender.send(payload_type, payload, id, created, now)
    }

    /// Does what the time requires, for the session and for what it carries.
    pub(crate) fn advance(&mut self, now: Instant, payloads: &mut impl Payloads) {
        if self.keep_alive.is_some_and(|next| next <= now) {
            self.keep_alive = Some(now + KEEP_ALIVE);
            if self.is_open() {
                payloads.keep_alive();
            }
        }
        self.opening.advance(now);
        payloads.advance(now);
    }

    /// Returns the time at which the channel has something to do next.
    pub(crate) fn next_timeout(&self, payloads: &impl Payloads) -> Option<Instant> {
        let own = [self.sender.next_timeout(), self.keep_alive, self.opening.next_timeout()];
        own.into_iter().chain([payloads.next_timeout()]).flatten().min()
    }
}
