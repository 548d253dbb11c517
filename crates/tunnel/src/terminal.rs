//! The terminal of a command: what was received and not read, what was written and not sent, its size and its end. Pure
//! but for the wakers of the tasks that read and write.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use serde_json::json;

use crate::content::to_json;
use crate::message::PayloadType;
use crate::payloads::{Output, Payloads};
use crate::smux::frame::FrameError;
use crate::{TerminalSize, TunnelError};

/// What was read from a command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShellEvent {
    /// Output of its terminal.
    Output(Bytes),
    /// Standard error, where the agent sends it apart.
    Error(Bytes),
    /// The command has ended, with its exit status where the agent sends one: not for commands in a terminal.
    End(Option<i32>),
}

/// The most received bytes that wait for the program: 1 MiB. Then the session receives nothing, and the command waits.
const RECEIVE_LIMIT: usize = 1024 * 1024;

/// The most bytes of input that wait to be sent: 64 KiB.
const SEND_LIMIT: usize = 64 * 1024;

/// The output of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Output,
    Error,
}

pub(crate) struct Terminal {
    size: TerminalSize,
    /// Whether the agent has to be sent the size.
    is_resized: bool,
    received: VecDeque<(Source, BytesMut)>,
    /// The bytes in `received`.
    bytes: usize,
    /// Whether the buffer was full, and is not half empty since.
    is_full: bool,
    outgoing: BytesMut,
    exit_status: Option<i32>,
    ended: Option<Arc<TunnelError>>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither input nor output: both may be secret.
        f.debug_struct("Terminal").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Terminal {
    pub(crate) fn new(size: TerminalSize) -> Self {
        Self {
            size,
            is_resized: true,
            received: VecDeque::new(),
            bytes: 0,
            is_full: false,
            outgoing: BytesMut::new(),
            exit_status: None,
            ended: None,
            reader: None,
            writer: None,
        }
    }

    pub(crate) fn resize(&mut self, size: TerminalSize) {
        self.is_resized |= self.size != size;
        self.size = size;
    }

    /// Reads what was received. `changed` is set if the session may receive again.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        changed: &mut bool,
    ) -> Poll<Result<ShellEvent, TunnelError>> {
        if let Some((source, data)) = self.received.pop_front() {
            self.bytes -= data.len();
            if self.is_full && self.bytes <= RECEIVE_LIMIT / 2 {
                self.is_full = false;
                *changed = true;
            }
            let data = data.freeze();
            return Poll::Ready(Ok(match source {
                Source::Output => ShellEvent::Output(data),
                Source::Error => ShellEvent::Error(data),
            }));
        }
        match &self.ended {
            Some(reason) if reason.is_end_of_command() => Poll::Ready(Ok(ShellEvent::End(self.exit_status))),
            Some(reason) => Poll::Ready(Err(TunnelError::Shared(reason.clone()))),
            None => {
                self.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Writes input, as much as there is room for.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<Result<usize, TunnelError>> {
        if let Some(reason) = &self.ended {
            return Poll::Ready(Err(TunnelError::Shared(reason.clone())));
        }
        let room = SEND_LIMIT.saturating_sub(self.outgoing.len());
        if room == 0 {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let length = room.min(data.len());
        self.outgoing.extend_from_slice(&data[..length]);
        Poll::Ready(Ok(length))
    }

    fn push(&mut self, source: Source, payload: &Bytes) {
        self.bytes += payload.len();
        self.is_full |= self.bytes >= RECEIVE_LIMIT;
        match self.received.back_mut() {
            Some((last, data)) if *last == source => data.extend_from_slice(payload),
            _ if payload.is_empty() => return,
            _ => self.received.push_back((source, BytesMut::from(&payload[..]))),
        }
        wake(&mut self.reader);
    }

    fn size_payload(&self) -> Bytes {
        to_json(&json!({ "cols": self.size.columns, "rows": self.size.rows }))
    }
}

impl Payloads for Terminal {
    const IS_COMMAND: bool = true;

    fn receive(&mut self, payload_type: PayloadType, payload: Bytes, _: Instant) -> Result<(), FrameError> {
        match payload_type {
            PayloadType::OUTPUT => self.push(Source::Output, &payload),
            PayloadType::STDERR => self.push(Source::Error, &payload),
            PayloadType::EXIT_CODE => self.exit_status = exit_status(&payload),
            other => tracing::debug!(payload_type = other.0, "a payload was ignored"),
        }
        Ok(())
    }

    fn next_output(&mut self, limit: usize) -> Option<Output> {
        if self.is_resized {
            self.is_resized = false;
            return Some(Output::Size(self.size_payload()));
        }
        let length = self.outgoing.len().min(limit);
        if length == 0 {
            return None;
        }
        wake(&mut self.writer);
        Some(Output::Data(self.outgoing.split_to(length).freeze()))
    }

    fn is_full(&mut self) -> bool {
        self.is_full
    }

    fn ended(&mut self, reason: &Arc<TunnelError>) {
        self.ended = Some(reason.clone());
        wake(&mut self.reader);
        wake(&mut self.writer);
    }

    fn reconnected(&mut self) {
        self.is_resized = true;
    }

    fn probe(&self) -> Bytes {
        self.size_payload()
    }
}

/// Reads the payload with the exit status, `EXIT_CODE: 3`.
fn exit_status(payload: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(payload).ok()?;
    text.rsplit(':').next()?.trim().parse().ok()
}

fn wake(waiting: &mut Option<Waker>) {
    if let Some(waker) = waiting.take() {
        waker.wake();
    }
}
