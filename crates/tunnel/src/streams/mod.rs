//! The streams of a session: their buffers, and the one byte stream that the session carries for them. Pure but for the
//! wakers of the tasks that wait for a stream.

mod buffers;
mod payloads;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::ReadBuf;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::buffers::Buffers;
use crate::message::Flag;
use crate::payloads::{Mode, Output};
use crate::smux::frame::{self, Command, Decoder, Event, FrameError};
use crate::{Remote, StreamError, TunnelError};

/// The most received bytes of a stream that wait for the local program: 16 MiB.
pub(crate) const RECEIVE_LIMIT: usize = 16 * 1024 * 1024;

/// The bytes that a program has to read of a full buffer within [`Options::stuck`](crate::Options::stuck): 1 MiB.
/// Otherwise a program that reads a byte now and then stalls its session without an end.
pub(crate) const LEAST_READ: usize = 1024 * 1024;

/// The most bytes of a stream in one frame: small enough that streams take turns on a slow connection.
const FRAME: usize = 8 * 1024;

/// The most bytes of basic mode's first connection that wait for its stream: 64 KiB. The agent connects when the session
/// starts, and MySQL's server speaks first.
const EARLY_LIMIT: usize = 64 * 1024;

/// The id of the first stream.
const FIRST_ID: u32 = 3;

/// The most forgotten streams for which the agent's end is awaited.
const MAX_UNANSWERED: usize = 1024;

#[derive(Debug)]
pub(crate) struct Streams {
    remote: Remote,
    mode: Mode,
    next_id: u32,
    table: HashMap<u32, Buffers>,
    /// What was received in basic mode before the first stream was opened.
    early: BytesMut,
    /// The streams that have something to send, in turn.
    ready: VecDeque<u32>,
    /// Bytes of the smux stream that are in no message yet.
    staged: BytesMut,
    decoder: Decoder,
    /// The flags `ConnectToPortError` that were received. Each belongs to the next stream that is closed without data.
    refused: usize,
    /// The streams that were forgotten before anything was received, and whose end the agent has not sent. Such a flag
    /// may be theirs, so that it is none of another stream.
    unanswered: HashSet<u32>,
    stuck_after: Duration,
    /// Whether the buffer of any stream was full when this was last computed.
    any_full: bool,
    /// Whether the session has ended.
    is_over: bool,
    /// One permit: the stream of basic mode.
    basic: Arc<Semaphore>,
}

impl Streams {
    pub(crate) fn new(remote: Remote, stuck_after: Duration) -> Self {
        Self {
            remote,
            mode: Mode::Mux,
            next_id: FIRST_ID,
            table: HashMap::new(),
            early: BytesMut::new(),
            ready: VecDeque::new(),
            staged: BytesMut::new(),
            decoder: Decoder::default(),
            refused: 0,
            unanswered: HashSet::new(),
            stuck_after,
            any_full: false,
            is_over: false,
            basic: Arc::new(Semaphore::new(1)),
        }
    }

    pub(crate) fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// Returns the permit for a stream, if there is one stream at a time. It is closed when the session ends.
    pub(crate) fn basic(&self) -> Option<Arc<Semaphore>> {
        (self.mode == Mode::Basic).then(|| self.basic.clone())
    }

    /// Returns the number of streams.
    pub(crate) fn count(&self) -> usize {
        self.table.len()
    }

    /// Opens a stream. In basic mode `permit` is held until the agent has closed the stream's connection.
    pub(crate) fn open(&mut self, permit: Option<OwnedSemaphorePermit>) -> u32 {
        // 2³¹ streams later, the ids start again; those still open are skipped.
        while self.table.contains_key(&self.next_id) {
            self.next_id = self.next_id.wrapping_add(2);
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(2);
        let mut stream = Buffers::new(permit);
        stream.begin_with(self.early.split());
        self.table.insert(id, stream);
        self.queue(id);
        id
    }

    /// Reads what was received. `changed` is set if the session may receive again.
    pub(crate) fn poll_read(
        &mut self,
        id: u32,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        now: Instant,
        changed: &mut bool,
    ) -> Poll<io::Result<()>> {
        match self.table.get_mut(&id) {
            Some(stream) => stream.poll_read(cx, buffer, now, changed),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Writes what is to be sent, as much as there is room for.
    pub(crate) fn poll_write(
        &mut self,
        id: u32,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(stream) = self.table.get_mut(&id) else {
            return Poll::Ready(Err(StreamError::Closed.into()));
        };
        let written = stream.poll_write(cx, data);
        self.queue(id);
        written
    }

    /// Closes a stream when what was written has been sent. It can be read until the other end has closed it too.
    pub(crate) fn end(&mut self, id: u32) {
        if let Some(stream) = self.table.get_mut(&id) {
            stream.end();
            self.queue(id);
        }
    }

    /// Closes a stream whose handle is dropped.
    pub(crate) fn drop_stream(&mut self, id: u32) {
        let Some(stream) = self.table.get_mut(&id) else { return };
        stream.drop_handle();
        if stream.is_unused() {
            self.table.remove(&id);
        } else {
            self.queue(id);
            self.remove_finished(id);
        }
    }

    /// Returns the next payload of at most `limit` bytes.
    pub(crate) fn next_output(&mut self, limit: usize) -> Option<Output> {
        if self.mode == Mode::Basic {
            return self.next_basic_output(limit);
        }
        while self.staged.len() < limit {
            let Some(id) = self.ready.pop_front() else { break };
            self.stage(id);
        }
        let length = self.staged.len().min(limit);
        (length > 0).then(|| Output::Data(self.staged.split_to(length).freeze()))
    }

    /// Adds the next frames of a stream.
    fn stage(&mut self, id: u32) {
        let Some(stream) = self.table.get_mut(&id) else { return };
        stream.is_queued = false;
        if !stream.is_opened {
            stream.is_opened = true;
            frame::write_header(&mut self.staged, Command::Syn, id, 0);
        }
        let data = stream.take_outgoing(FRAME);
        frame::write_data(&mut self.staged, id, &data);
        if stream.take_end() {
            frame::write_header(&mut self.staged, Command::Fin, id, 0);
        }
        self.queue(id);
        self.remove_finished(id);
    }

    fn next_basic_output(&mut self, limit: usize) -> Option<Output> {
        loop {
            let id = self.ready.pop_front()?;
            let Some(stream) = self.table.get_mut(&id) else { continue };
            stream.is_queued = false;
            stream.is_opened = true;
            let data = stream.take_outgoing(limit);
            let ends = data.is_empty() && stream.take_end();
            self.queue(id);
            if !data.is_empty() {
                return Some(Output::Data(data));
            }
            if ends {
                return Some(Output::Flag(Flag::DisconnectToPort));
            }
        }
    }

    /// Notes that the agent has closed its connection in basic mode: another stream may follow.
    pub(crate) fn disconnected(&mut self) {
        self.table.retain(|_, stream| {
            let ended = stream.is_ended();
            if ended {
                stream.close_remote();
            }
            !(ended && stream.is_dropped())
        });
        for stream in self.table.values_mut() {
            stream.release_permit();
        }
    }

    /// Adds a frame that does nothing, for agents that expect one.
    pub(crate) fn keep_alive(&mut self) {
        if self.mode == Mode::Mux {
            frame::write_header(&mut self.staged, Command::Nop, 0, 0);
        }
    }

    /// Distributes received bytes. Those for streams that are closed are dropped.
    ///
    /// # Errors
    /// Returns the reason why the bytes are no smux.
    pub(crate) fn receive(&mut self, mut payload: Bytes, now: Instant) -> Result<(), FrameError> {
        if self.mode == Mode::Basic {
            // What comes after the end belongs to the connection that is being closed.
            if let Some(stream) = self.table.values_mut().find(|stream| !stream.is_ended()) {
                self.any_full |= stream.receive(&payload, now);
            } else if self.next_id == FIRST_ID {
                self.early.extend_from_slice(&payload);
            }
            return Ok(());
        }
        while let Some(event) = self.decoder.next(&mut payload)? {
            match event {
                Event::Data(id, data) => {
                    if let Some(stream) = self.table.get_mut(&id) {
                        self.any_full |= stream.receive(&data, now);
                    }
                }
                Event::Closed(id) => self.close_remote(id),
                // The agent opens no streams.
                Event::Opened(_) | Event::KeepAlive => {}
            }
        }
        Ok(())
    }

    fn close_remote(&mut self, id: u32) {
        let Some(stream) = self.table.get_mut(&id) else {
            if self.unanswered.remove(&id) {
                self.refused = self.refused.saturating_sub(1);
            }
            return;
        };
        let is_refused = self.refused > 0 && !stream.has_received() && !stream.is_closed_remotely();
        if is_refused {
            self.refused -= 1;
        }
        if is_refused && !stream.is_ended() {
            stream.fail(StreamError::Refused(self.remote.clone()));
        } else {
            stream.close_remote();
        }
        self.queue(id);
        self.remove_finished(id);
    }

    /// Notes the agent's flag that it could not connect. smux closes the stream after it; basic mode has no such sign.
    pub(crate) fn connect_failed(&mut self) {
        if self.mode == Mode::Mux {
            self.refused += 1;
            return;
        }
        for (_, stream) in self.table.iter_mut().filter(|(_, stream)| !stream.is_ended()) {
            stream.fail(StreamError::Refused(self.remote.clone()));
        }
        self.queue_all();
    }

    /// Returns whether the buffer of any stream is full: nothing more is received until it is not.
    pub(crate) fn is_full(&mut self) -> bool {
        self.any_full = self.any_full && self.table.values().any(Buffers::is_full);
        self.any_full || self.early.len() >= EARLY_LIMIT
    }

    /// Returns the time at which [`fail_stuck`](Self::fail_stuck) closes a stream, if its program does not read enough.
    pub(crate) fn next_stuck(&self) -> Option<Instant> {
        if !self.any_full || self.table.len() < 2 {
            return None;
        }
        self.table.values().filter_map(Buffers::full_since).min().map(|since| since + self.stuck_after)
    }

    /// Closes the streams whose buffers have been full for too long while too little was read, if there are others,
    /// which receive nothing meanwhile.
    pub(crate) fn fail_stuck(&mut self, now: Instant) {
        if self.table.len() < 2 {
            return;
        }
        let after = self.stuck_after;
        for (id, stream) in &mut self.table {
            if stream.full_since().is_some_and(|since| since + after <= now) {
                tracing::warn!(stream = id, "a stream whose program does not read was closed");
                stream.fail(StreamError::Stuck { after, limit: RECEIVE_LIMIT });
            }
        }
        self.queue_all();
    }

    /// Fails all streams: their session has ended.
    pub(crate) fn fail_all(&mut self, reason: &Arc<TunnelError>) {
        for stream in self.table.values_mut() {
            stream.fail(StreamError::Ended(reason.clone()));
            // Nothing is sent any more, the end neither.
            stream.take_end();
            stream.release_permit();
        }
        self.is_over = true;
        self.table.retain(|_, stream| !stream.is_dropped());
        self.ready.clear();
        self.basic.close();
    }

    /// Queues a stream that has something to send.
    fn queue(&mut self, id: u32) {
        if let Some(stream) = self.table.get_mut(&id)
            && !stream.is_queued
            && stream.has_output()
        {
            stream.is_queued = true;
            self.ready.push_back(id);
        }
    }

    fn queue_all(&mut self) {
        let ids: Vec<u32> = self.table.keys().copied().collect();
        ids.into_iter().for_each(|id| self.queue(id));
    }

    /// Removes a stream that neither the program nor this end needs. In basic mode the agent's answer is awaited, which
    /// releases the permit.
    fn remove_finished(&mut self, id: u32) {
        let Some(stream) = self.table.get(&id) else { return };
        let is_settled = self.mode == Mode::Mux || self.is_over || !stream.has_permit();
        if !(is_settled && stream.is_dropped() && stream.is_ended()) {
            return;
        }
        if !stream.has_received() && !stream.is_closed_remotely() && self.unanswered.len() < MAX_UNANSWERED {
            self.unanswered.insert(id);
        }
        self.table.remove(&id);
    }
}
