//! The streams as the payloads of a session.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::Streams;
use crate::TunnelError;
use crate::message::{Flag, PayloadType};
use crate::payloads::{Mode, Output, Payloads};
use crate::smux::frame::FrameError;

impl Payloads for Streams {
    const IS_COMMAND: bool = false;

    fn receive(&mut self, payload_type: PayloadType, payload: Bytes, now: Instant) -> Result<(), FrameError> {
        match payload_type {
            PayloadType::OUTPUT => return Streams::receive(self, payload, now),
            PayloadType::FLAG if Flag::from_payload(&payload) == Some(Flag::ConnectToPortError) => {
                self.connect_failed();
            }
            other => tracing::debug!(payload_type = other.0, "a payload was ignored"),
        }
        Ok(())
    }

    fn next_output(&mut self, limit: usize) -> Option<Output> {
        Streams::next_output(self, limit)
    }

    fn is_full(&mut self) -> bool {
        Streams::is_full(self)
    }

    fn ended(&mut self, reason: &Arc<TunnelError>) {
        self.fail_all(reason);
    }

    fn set_mode(&mut self, mode: Mode) {
        Streams::set_mode(self, mode);
    }

    fn keep_alive(&mut self) {
        Streams::keep_alive(self);
    }

    fn flag_acknowledged(&mut self) {
        self.disconnected();
    }

    fn advance(&mut self, now: Instant) {
        if Streams::is_full(self) {
            self.fail_stuck(now);
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.next_stuck()
    }
}
