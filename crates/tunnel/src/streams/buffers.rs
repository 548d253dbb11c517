//! One stream: what was received and not read, what was written and not sent, and its ends.

use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::ReadBuf;
use tokio::sync::OwnedSemaphorePermit;

use super::{LEAST_READ, RECEIVE_LIMIT};
use crate::StreamError;

/// The most bytes of a stream that wait to be sent: 256 KiB.
const SEND_LIMIT: usize = 256 * 1024;

/// The other end's state.
#[derive(Debug)]
enum Other {
    Open,
    Closed,
    Failed(StreamError),
}

/// This end's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Own {
    Open,
    /// The end is sent after the data.
    Ending,
    /// The end was sent.
    Ended,
}

#[derive(Debug)]
pub(super) struct Buffers {
    received: BytesMut,
    outgoing: BytesMut,
    reader: Option<Waker>,
    writer: Option<Waker>,
    other: Other,
    own: Own,
    has_received: bool,
    /// The time at which the buffer was full, or at which the program had read [`LEAST_READ`] bytes since.
    full_since: Option<Instant>,
    /// The bytes that the program has read since then.
    read: usize,
    is_dropped: bool,
    permit: Option<OwnedSemaphorePermit>,
    /// Whether the other end was sent that the stream exists.
    pub(super) is_opened: bool,
    /// Whether the stream is in the queue of those that have something to send.
    pub(super) is_queued: bool,
}

impl Buffers {
    pub(super) fn new(permit: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            received: BytesMut::new(),
            outgoing: BytesMut::new(),
            reader: None,
            writer: None,
            other: Other::Open,
            own: Own::Open,
            has_received: false,
            full_since: None,
            read: 0,
            is_dropped: false,
            permit,
            is_opened: false,
            is_queued: false,
        }
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        now: Instant,
        changed: &mut bool,
    ) -> Poll<io::Result<()>> {
        if !self.received.is_empty() {
            let length = self.received.len().min(buffer.remaining());
            buffer.put_slice(&self.received[..length]);
            self.received.advance(length);
            if self.received.is_empty() {
                // An idle stream holds no memory.
                self.received = BytesMut::new();
            }
            if self.full_since.is_some() {
                // The session is stalled until half of the buffer is free, so that it does not wake for each read.
                let is_full = self.received.len() > RECEIVE_LIMIT / 2;
                self.read += length;
                if !is_full {
                    self.full_since = None;
                } else if self.read >= LEAST_READ {
                    (self.full_since, self.read) = (Some(now), 0);
                }
                *changed = !is_full;
            }
            return Poll::Ready(Ok(()));
        }
        match &self.other {
            Other::Closed => Poll::Ready(Ok(())),
            Other::Failed(error) => Poll::Ready(Err(error.clone().into())),
            Other::Open => {
                self.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match &self.other {
            Other::Failed(error) => return Poll::Ready(Err(error.clone().into())),
            Other::Closed => return Poll::Ready(Err(StreamError::Closed.into())),
            Other::Open if self.own != Own::Open => {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            Other::Open => {}
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

    /// Returns the next bytes to send, at most `limit`.
    pub(super) fn take_outgoing(&mut self, limit: usize) -> Bytes {
        let length = self.outgoing.len().min(limit);
        let data = self.outgoing.split_to(length).freeze();
        if self.outgoing.is_empty() {
            self.outgoing = BytesMut::new();
        }
        // Half of the buffer, so that the writer is not woken for each message.
        if self.outgoing.len() <= SEND_LIMIT / 2 {
            wake(&mut self.writer);
        }
        data
    }

    /// Returns whether the end has to be sent now, once.
    pub(super) fn take_end(&mut self) -> bool {
        let ends = self.own == Own::Ending && self.outgoing.is_empty();
        if ends {
            self.own = Own::Ended;
        }
        ends
    }

    pub(super) fn has_output(&self) -> bool {
        self.own != Own::Ended && (!self.is_opened || !self.outgoing.is_empty() || self.own == Own::Ending)
    }

    pub(super) fn end(&mut self) {
        if self.own == Own::Open {
            self.own = Own::Ending;
        }
    }

    pub(super) fn drop_handle(&mut self) {
        self.is_dropped = true;
        self.received = BytesMut::new();
        self.full_since = None;
        (self.reader, self.writer) = (None, None);
        self.end();
    }

    /// Sets what was received before the stream was opened, which is less than its limit.
    pub(super) fn begin_with(&mut self, data: BytesMut) {
        self.has_received = !data.is_empty();
        self.received = data;
    }

    /// Adds received bytes. Returns whether the buffer is full then.
    pub(super) fn receive(&mut self, data: &[u8], now: Instant) -> bool {
        self.has_received = true;
        if self.is_dropped || !matches!(self.other, Other::Open) {
            return false;
        }
        self.received.extend_from_slice(data);
        if self.received.len() >= RECEIVE_LIMIT && self.full_since.is_none() {
            (self.full_since, self.read) = (Some(now), 0);
        }
        wake(&mut self.reader);
        self.full_since.is_some()
    }

    /// Notes that the other end has closed the stream. What was received can still be read.
    pub(super) fn close_remote(&mut self) {
        if matches!(self.other, Other::Open) {
            self.other = Other::Closed;
        }
        self.give_up_sending();
    }

    /// Closes the stream in both directions. What was received can still be read, before the error, unless the program
    /// did not read it.
    pub(super) fn fail(&mut self, error: StreamError) {
        if matches!(self.other, Other::Open) {
            if matches!(error, StreamError::Stuck { .. }) {
                self.received = BytesMut::new();
            }
            self.full_since = None;
            self.other = Other::Failed(error);
        }
        self.give_up_sending();
    }

    /// Drops what the other end does not accept any more.
    fn give_up_sending(&mut self) {
        self.outgoing = BytesMut::new();
        self.end();
        wake(&mut self.reader);
        wake(&mut self.writer);
    }

    pub(super) fn release_permit(&mut self) {
        if self.own == Own::Ended || !matches!(self.other, Other::Open) {
            drop(self.permit.take());
        }
    }

    pub(super) fn has_permit(&self) -> bool {
        self.permit.is_some()
    }

    /// Returns whether the other end has closed the stream, or it has failed.
    pub(super) fn is_closed_remotely(&self) -> bool {
        !matches!(self.other, Other::Open)
    }

    pub(super) fn has_received(&self) -> bool {
        self.has_received
    }

    pub(super) fn is_full(&self) -> bool {
        self.full_since.is_some()
    }

    pub(super) fn full_since(&self) -> Option<Instant> {
        self.full_since
    }

    /// Returns whether the end was sent.
    pub(super) fn is_ended(&self) -> bool {
        self.own == Own::Ended
    }

    pub(super) fn is_dropped(&self) -> bool {
        self.is_dropped
    }

    /// Returns whether the stream was dropped before the other end was sent that it exists.
    pub(super) fn is_unused(&self) -> bool {
        self.is_dropped && !self.is_opened && self.outgoing.is_empty()
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
