//! The sending end.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use uuid::Uuid;

use super::round_trip::RoundTrip;
use super::window::Window;
use crate::message::{FLAG_SYN, Kind, Message, PayloadType, SCHEMA_VERSION};

/// The most bytes of unacknowledged messages: 16 MiB.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A message without an acknowledgement.
#[derive(Debug)]
struct Outstanding {
    bytes: Bytes,
    first_sent: Instant,
    sent: Instant,
    was_resent: bool,
}

/// The sending end of a direction. It keeps each message until it is acknowledged. When its memory is full,
/// [`has_room`](Self::has_room) is false and the caller stops reading from its source: nothing is dropped.
#[derive(Debug)]
pub struct Sender {
    kind: Kind,
    /// The number of the next new message.
    next: i64,
    /// The messages before `next`, from the oldest one without an acknowledgement, which is first and never `None`.
    outstanding: VecDeque<Option<Outstanding>>,
    count: usize,
    bytes: usize,
    /// The times at which messages were sent, in order. An entry is void if its message was acknowledged, or sent again
    /// since.
    timers: VecDeque<(Instant, i64)>,
    /// Messages to be sent again on a new connection.
    requeued: VecDeque<i64>,
    round_trip: RoundTrip,
    window: Window,
    last_progress: Option<Instant>,
    /// The next repetition of the oldest message, while the receiver is taken to be stalled.
    next_probe: Option<Instant>,
    is_paused: bool,
}

impl Sender {
    /// Creates the end that sends messages of one type: [`Kind::InputStreamData`] as a client,
    /// [`Kind::OutputStreamData`] as an agent.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            next: 0,
            outstanding: VecDeque::new(),
            count: 0,
            bytes: 0,
            timers: VecDeque::new(),
            requeued: VecDeque::new(),
            round_trip: RoundTrip::new(),
            window: Window::new(),
            last_progress: None,
            next_probe: None,
            is_paused: false,
        }
    }

    /// Returns whether a new message may be sent now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        // The distance counts, not the number of messages: it is what a receiver has to keep if the oldest is lost.
        !self.is_paused
            && self.requeued.is_empty()
            && self.outstanding.len() < self.window.size()
            && self.bytes < MAX_BYTES
    }

    /// Returns the next new message, encoded. `created` is in ms since 1970.
    pub fn send(
        &mut self,
        payload_type: PayloadType,
        payload: Bytes,
        id: Uuid,
        created: u64,
        now: Instant,
    ) -> Bytes {
        let is_first_of_agent = self.next == 0 && self.kind == Kind::OutputStreamData;
        let message = Message {
            kind: self.kind.clone(),
            schema_version: SCHEMA_VERSION,
            created,
            sequence: self.next,
            flags: if is_first_of_agent { FLAG_SYN } else { 0 },
            id,
            payload_type,
            payload,
        };
        let bytes = message.encode();
        if self.count == 0 {
            self.note_progress(now);
        }
        self.timers.push_back((now, self.next));
        let outstanding = Outstanding { bytes: bytes.clone(), first_sent: now, sent: now, was_resent: false };
        self.outstanding.push_back(Some(outstanding));
        self.count += 1;
        self.bytes += bytes.len();
        self.next += 1;
        bytes
    }

    /// Removes an acknowledged message. Another acknowledgement of the same message has no effect.
    pub fn acknowledge(&mut self, sequence: i64, now: Instant) {
        let Some(acknowledged) = self.slot(sequence).and_then(Option::take) else { return };
        self.count -= 1;
        self.bytes -= acknowledged.bytes.len();
        while let Some(None) = self.outstanding.front() {
            self.outstanding.pop_front();
        }
        if self.outstanding.is_empty() {
            self.timers.clear();
            self.requeued.clear();
        }
        let sample = now.saturating_duration_since(acknowledged.first_sent);
        self.round_trip.observe(sample);
        self.window.observe(sample, acknowledged.was_resent, now);
        self.note_progress(now);
    }

    /// Returns a message that has to be sent again now, unchanged. Call this until it returns `None`.
    ///
    /// While acknowledgements come, every message whose timeout has passed is sent again. When none has come for two
    /// timeouts, the receiver is taken to be stalled, and only the oldest message is repeated, until an acknowledgement
    /// comes.
    pub fn poll_resend(&mut self, now: Instant) -> Option<Bytes> {
        if self.is_paused {
            return None;
        }
        while let Some(sequence) = self.requeued.pop_front() {
            if let Some(Some(message)) = self.slot(sequence) {
                message.first_sent = now;
                return self.resend(sequence, now);
            }
        }
        let timeout = self.round_trip.timeout();
        self.drop_void_timers();
        let (sent, sequence) = *self.timers.front()?;
        if now < sent + timeout {
            return None;
        }
        if self.last_progress.is_some_and(|progress| now < progress + 2 * timeout) {
            return self.resend(sequence, now);
        }
        if self.next_probe.is_some_and(|next| now < next) {
            return None;
        }
        self.next_probe = Some(now + timeout);
        // `next_probe` has the time of the next repetition: with a timer for each, a long stall would fill the memory.
        let oldest = self.slot(self.oldest())?.as_mut()?;
        oldest.was_resent = true;
        Some(oldest.bytes.clone())
    }

    /// Returns the time at which [`poll_resend`](Self::poll_resend) has to be called next, after it returned `None`.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.is_paused {
            return None;
        }
        let timeout = self.round_trip.timeout();
        let expiry = self.timers.front()?.0 + timeout;
        Some(self.next_probe.map_or(expiry, |next| next.max(expiry)))
    }

    /// Requests that all unacknowledged messages are sent again: the connection that carried them is lost.
    pub fn reconnected(&mut self, now: Instant) {
        self.is_paused = false;
        self.timers.clear();
        self.requeued = (self.oldest()..self.next).collect();
        self.note_progress(now);
        self.window.reconnected();
    }

    /// Stops sending until [`resume`](Self::resume): the other end accepts no messages.
    pub fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Ends a pause.
    pub fn resume(&mut self) {
        self.is_paused = false;
    }

    /// Returns the number of the next new message.
    #[must_use]
    pub fn next_sequence(&self) -> i64 {
        self.next
    }

    /// Returns whether a message that was sent has been acknowledged.
    #[must_use]
    pub fn is_acknowledged(&self, sequence: i64) -> bool {
        let Ok(index) = usize::try_from(sequence - self.oldest()) else { return true };
        self.outstanding.get(index).is_some_and(Option::is_none)
    }

    /// Returns whether all messages have been acknowledged.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.count == 0
    }

    /// Returns the number of entries that are kept for messages, for checks of the memory: at most three for each one
    /// that was sent, and none when all have been acknowledged.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.outstanding.len() + self.timers.len() + self.requeued.len()
    }

    fn note_progress(&mut self, now: Instant) {
        self.last_progress = Some(now);
        self.next_probe = None;
    }

    /// Returns the number of the oldest unacknowledged message, or of the next one.
    fn oldest(&self) -> i64 {
        // At most `window::MAX` messages are kept.
        self.next - self.outstanding.len() as i64
    }

    fn slot(&mut self, sequence: i64) -> Option<&mut Option<Outstanding>> {
        let index = sequence.checked_sub(self.oldest())?;
        self.outstanding.get_mut(usize::try_from(index).ok()?)
    }

    fn resend(&mut self, sequence: i64, now: Instant) -> Option<Bytes> {
        let message = self.slot(sequence)?.as_mut()?;
        message.sent = now;
        message.was_resent = true;
        let bytes = message.bytes.clone();
        self.timers.push_back((now, sequence));
        self.drop_void_timers();
        Some(bytes)
    }

    fn drop_void_timers(&mut self) {
        while let Some(&(sent, sequence)) = self.timers.front() {
            if self.slot(sequence).and_then(|slot| slot.as_ref()).is_some_and(|message| message.sent == sent)
            {
                return;
            }
            self.timers.pop_front();
        }
    }
}
