//! The payloads of a session: those of streams that are forwarded, or those of a terminal.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::TunnelError;
use crate::message::{Flag, PayloadType};
use crate::smux::frame::FrameError;

/// The way in which a session carries streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// smux version 1.
    Mux,
    /// One stream at a time, whose bytes are the payloads.
    Basic,
}

/// The payload of a message to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Data(Bytes),
    Flag(Flag),
    /// The size of the terminal.
    Size(Bytes),
}

/// The source and the destination of a session's payloads. The channel delivers them in order, each once.
pub(crate) trait Payloads: fmt::Debug + Send + 'static {
    /// Whether the session runs a command: its agent may start without a handshake, and may request encryption.
    const IS_COMMAND: bool;

    /// Processes a payload of the agent.
    ///
    /// # Errors
    /// Returns the reason why the bytes are no smux.
    fn receive(&mut self, payload_type: PayloadType, payload: Bytes, now: Instant) -> Result<(), FrameError>;

    /// Returns the next payload, with at most `limit` bytes of data.
    fn next_output(&mut self, limit: usize) -> Option<Output>;

    /// Returns whether a buffer is full: nothing more is received until it is not.
    fn is_full(&mut self) -> bool;

    /// Notes that the session has ended.
    fn ended(&mut self, reason: &Arc<TunnelError>);

    /// Notes the mode that follows from the agent's version.
    fn set_mode(&mut self, _mode: Mode) {}

    /// Adds what keeps the session, for agents that expect it.
    fn keep_alive(&mut self) {}

    /// Notes that the agent has acknowledged a flag of [`next_output`](Self::next_output).
    fn flag_acknowledged(&mut self) {}

    /// Notes that another connection carries the session.
    fn reconnected(&mut self) {}

    /// Returns the payload that is sent before the session is open, to learn whether the agent starts without a
    /// handshake.
    fn probe(&self) -> Bytes {
        Bytes::new()
    }

    /// Does what the time requires.
    fn advance(&mut self, _now: Instant) {}

    /// Returns the time of the next [`advance`](Self::advance).
    fn next_timeout(&self) -> Option<Instant> {
        None
    }
}
