//! The beginning of a session: the agent's handshake, or its absence.
//!
//! Sessions that forward ports begin with a handshake. Sessions with a command have one only if they are encrypted:
//! otherwise the agent's first message is output. A command may print nothing, so the size of the terminal is sent as a
//! probe: an agent that has acknowledged it, and then requests no handshake, is taken to have started the command. Input
//! is not sent before, because an agent acknowledges and drops what comes before the end of a handshake.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Channel;
use super::handshake::{self, Answer};
use crate::encryption::{Cipher, DataKey, KeyRequest};
use crate::handshake::HandshakeResponse;
use crate::message::PayloadType;
use crate::payloads::Payloads;
use crate::reliable::Sender;
use crate::{ApiError, TunnelError};

/// The time after the acknowledgement of the probe in which a handshake would have begun, even if the request was lost
/// once: agents send it again after at most 1 s.
const QUIET: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Opening {
    pub(super) is_open: bool,
    /// Whether a handshake has begun.
    has_begun: bool,
    /// Whether the session is taken to be open, and the agent has neither sent output nor requested a handshake.
    is_assumed: bool,
    /// Whether input was sent in that time.
    has_sent_input: bool,
    /// The answer to the handshake or to its challenge, until it is sent.
    pub(super) answer: Option<(PayloadType, Bytes)>,
    /// The answer that waits for a data key.
    waiting: Option<(HandshakeResponse, KeyRequest)>,
    /// Whether the agent has to check the data key by a challenge.
    awaits_challenge: bool,
    /// The reason to end the session once the answer was sent.
    pub(super) refusal: Option<TunnelError>,
    /// The number of the probe.
    probe: Option<i64>,
    /// The time at which the session is open without a handshake.
    quiet: Option<Instant>,
}

impl Opening {
    /// Notes output of the command: it has started, without a handshake if none has begun.
    pub(super) fn has_output(&mut self) {
        self.is_open |= self.may_lack_handshake();
        self.is_assumed = false;
    }

    /// Returns whether the agent may request a handshake.
    pub(super) fn may_begin(&self) -> bool {
        !self.is_open || self.is_assumed
    }

    /// Returns whether the agent may complete the handshake: it has begun, and each of its steps was answered.
    fn may_complete(&self) -> bool {
        self.has_begun && self.waiting.is_none() && self.answer.is_none() && !self.awaits_challenge
    }

    /// Notes that input was sent.
    pub(super) fn has_input(&mut self) {
        self.has_sent_input |= self.is_assumed;
    }

    /// Returns whether the agent may have started without a handshake.
    fn may_lack_handshake(&self) -> bool {
        !self.is_open && !self.has_begun
    }

    /// Returns whether the probe is sent now.
    pub(super) fn wants_probe(&self) -> bool {
        self.may_lack_handshake() && self.probe.is_none()
    }

    pub(super) fn probed(&mut self, sequence: i64) {
        self.probe = Some(sequence);
    }

    /// Notes that messages were acknowledged.
    pub(super) fn acknowledged(&mut self, sender: &Sender, now: Instant) {
        if self.may_lack_handshake()
            && self.quiet.is_none()
            && self.probe.is_some_and(|probe| sender.is_acknowledged(probe))
        {
            self.quiet = Some(now + QUIET);
        }
    }

    pub(super) fn advance(&mut self, now: Instant) {
        if self.next_timeout().is_some_and(|quiet| quiet <= now) {
            self.is_open = true;
            self.is_assumed = true;
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.quiet.filter(|_| self.may_lack_handshake())
    }
}

/// Returns whether a payload is of the command: these are encrypted.
pub(super) fn is_output(payload_type: PayloadType) -> bool {
    matches!(payload_type, PayloadType::OUTPUT | PayloadType::STDERR | PayloadType::EXIT_CODE)
}

impl Channel {
    /// Processes the request of a handshake.
    pub(super) fn begin_handshake<P: Payloads>(
        &mut self,
        request: &[u8],
        now: Instant,
        payloads: &mut P,
    ) -> Result<(), TunnelError> {
        let Answer { response, key, refusal, mode, keeps_alive } =
            handshake::answer(request, &self.session_id, &self.target, P::IS_COMMAND)?;
        if self.opening.has_sent_input {
            return Err(TunnelError::LateHandshake { target: self.target.clone() });
        }
        self.opening.is_open = false;
        self.opening.is_assumed = false;
        payloads.set_mode(mode);
        self.keep_alive = (keeps_alive && !P::IS_COMMAND).then_some(now + super::KEEP_ALIVE);
        self.opening.has_begun = true;
        match key.filter(|_| refusal.is_none()) {
            Some(key) => self.opening.waiting = Some((response, key)),
            None => self.respond(&response),
        }
        self.opening.refusal = refusal;
        Ok(())
    }

    fn respond(&mut self, response: &HandshakeResponse) {
        self.opening.answer = Some((PayloadType::HANDSHAKE_RESPONSE, crate::content::to_json(response)));
    }

    /// Returns the data key for which the handshake waits.
    pub(crate) fn key_request(&self) -> Option<&KeyRequest> {
        self.opening.waiting.as_ref().map(|(_, request)| request)
    }

    /// Continues the handshake with the data key, or refuses it with the reason why there is none.
    pub(crate) fn set_key(&mut self, key: Result<DataKey, ApiError>) {
        let Some((mut response, request)) = self.opening.waiting.take() else { return };
        let key = key.and_then(|key| match Cipher::new(&key) {
            Ok(cipher) => Ok((key, cipher)),
            Err(_) => Err("the data key does not have 64 bytes".into()),
        });
        match key {
            Ok((key, cipher)) => {
                handshake::add_key(&mut response, &request, Some(&key));
                self.cipher = Some(cipher);
                self.opening.awaits_challenge = true;
            }
            Err(source) => {
                handshake::add_key(&mut response, &request, None);
                let KeyRequest { key_id, target, .. } = request;
                self.opening.refusal = Some(TunnelError::DataKey { target, key_id, source });
            }
        }
        self.respond(&response);
    }

    /// Answers the challenge by which the agent checks the data key.
    pub(super) fn answer_challenge(&mut self, request: &[u8]) -> Result<(), TunnelError> {
        let answer = self.cipher.as_ref().and_then(|cipher| handshake::answer_challenge(request, cipher));
        let answer = answer.ok_or_else(|| self.cipher_error("the agent's challenge"))?;
        self.opening.answer = Some((PayloadType::CHALLENGE_RESPONSE, answer));
        self.opening.awaits_challenge = false;
        Ok(())
    }

    /// Opens the session. An agent that completes a handshake before its end is refused: input would not be encrypted,
    /// or not with a key that the agent was seen to have.
    pub(super) fn complete_handshake(&mut self, payload: &[u8]) -> Result<(), TunnelError> {
        if let Some(refusal) = self.opening.refusal.take() {
            return Err(refusal);
        }
        if !self.opening.may_complete() {
            return Err(TunnelError::EarlyCompletion { target: self.target.clone() });
        }
        handshake::show_message(payload);
        self.opening.is_open = true;
        Ok(())
    }

    /// Returns the payload of an encrypted session as the command wrote it.
    pub(super) fn decrypt(&self, payload_type: PayloadType, payload: Bytes) -> Result<Bytes, TunnelError> {
        match &self.cipher {
            Some(cipher) if is_output(payload_type) => {
                cipher.decrypt(&payload).map_err(|_| self.cipher_error("the decryption of output"))
            }
            _ => Ok(payload),
        }
    }

    pub(super) fn encrypt(&self, data: Bytes) -> Result<Bytes, TunnelError> {
        match &self.cipher {
            Some(cipher) => cipher.encrypt(&data).map_err(|_| self.cipher_error("the encryption of input")),
            None => Ok(data),
        }
    }

    fn cipher_error(&self, operation: &'static str) -> TunnelError {
        TunnelError::Cipher { session_id: self.session_id.clone(), operation }
    }
}
