//! The receiving end.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::message::Message;

/// The most messages that are kept out of order, as many as official clients keep.
const MAX_KEPT: usize = 10_000;

/// The most bytes of messages that are kept out of order: 16 MiB.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The answer to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The message was received now or before. It is acknowledged each time, because the acknowledgement may be lost.
    Acknowledge,
    /// The message cannot be kept, and is not acknowledged: the sender sends it again.
    Ignore,
}

/// The receiving end of a direction. It passes messages on in order, each once.
#[derive(Debug, Default)]
pub struct Receiver {
    expected: i64,
    kept: BTreeMap<i64, Message>,
    bytes: usize,
}

impl Receiver {
    /// Receives a message. Then [`next`](Iterator::next) returns those that are in order.
    pub fn receive(&mut self, mut message: Message) -> Receipt {
        if message.sequence < self.expected {
            // A number below 0 is none that this end ever received.
            return if message.sequence < 0 { Receipt::Ignore } else { Receipt::Acknowledge };
        }
        if self.kept.contains_key(&message.sequence) {
            return Receipt::Acknowledge;
        }
        if message.sequence > self.expected {
            if self.kept.len() >= MAX_KEPT || self.bytes >= MAX_BYTES {
                return Receipt::Ignore;
            }
            // A payload is part of a larger buffer of the connection, which it would keep for an unlimited time.
            message.payload = Bytes::copy_from_slice(&message.payload);
        }
        self.bytes += message.payload.len();
        self.kept.insert(message.sequence, message);
        Receipt::Acknowledge
    }

    /// Returns the number of the next message in order.
    #[must_use]
    pub fn expected(&self) -> i64 {
        self.expected
    }
}

/// The messages in order. The iterator ends at one that was not received, and continues when it was.
impl Iterator for Receiver {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        let message = self.kept.remove(&self.expected)?;
        self.bytes -= message.payload.len();
        self.expected = self.expected.saturating_add(1);
        Some(message)
    }
}
