//! The messages after the login: only their headers are read.

use super::error::ErrorResponse;
use super::message::HEADER;
use crate::{Followed, Frames};

/// The most bytes of a message that an observer can receive.
pub(super) const MAX_START: usize = 64;

/// A receiver of headers, for instance to detect prepared statements or the end of a transaction.
pub trait Observer {
    /// The number of a body's first bytes that the observer wants: at most 64.
    const START: usize;

    /// Receives a message's type, the length of its body, and the first bytes of it: [`START`](Self::START) of them, or
    /// all if the body is shorter. They have arrived, however the stream was split; the rest may have not.
    ///
    /// Returns `None` to have the message forwarded. Otherwise the bytes are the answer, and both connections are closed; of
    /// a message that arrived in parts, the first ones may have been forwarded.
    fn observe(&mut self, tag: u8, length: usize, start: &[u8]) -> Option<Vec<u8>>;
}

/// The observer that ignores all.
impl Observer for () {
    const START: usize = 0;

    fn observe(&mut self, _tag: u8, _length: usize, _start: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// The messages of a client.
#[derive(Debug, Default)]
pub struct ClientFrames<O = ()>(Reader<O>);

/// The messages of a server.
#[derive(Debug, Default)]
pub struct ServerFrames<O = ()>(Reader<O>);

macro_rules! frames {
    ($name:ident, $answer:expr) => {
        impl<O: Observer> $name<O> {
            /// Creates a reader at the beginning of a message.
            #[must_use]
            pub fn new(observer: O) -> Self {
                Self(Reader { observer, state: State::default() })
            }

            /// Returns the observer.
            #[must_use]
            pub fn observer(&self) -> &O {
                &self.0.observer
            }

            /// Returns the observer, for changes.
            pub fn observer_mut(&mut self) -> &mut O {
                &mut self.0.observer
            }
        }

        impl<O: Observer> Frames for $name<O> {
            fn follow(&mut self, bytes: &[u8]) -> Followed {
                match self.0.follow(bytes) {
                    Ok(()) => Followed::Forward,
                    Err(Refused { forward, answer }) => {
                        Followed::Refuse { forward, answer: answer.unwrap_or_else(|| $answer) }
                    }
                }
            }

            fn is_between_messages(&self) -> bool {
                matches!(self.0.state, State::Header { count: 0, .. })
            }
        }
    };
}

frames!(ClientFrames, ErrorResponse::fatal("08P01", "invalid message length").encode());
// A server expects no ErrorResponse: its connection is closed.
frames!(ServerFrames, Vec::new());

/// A message that is not forwarded: the number of bytes before it, and the answer unless its length is invalid.
struct Refused {
    forward: usize,
    answer: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Reader<O> {
    observer: O,
    state: State,
}

/// The position in the stream.
#[derive(Debug)]
enum State {
    /// `count` bytes of a header have arrived.
    Header { bytes: [u8; HEADER], count: usize },
    /// The header is complete, and `count` of the bytes for the observer have arrived.
    Start { tag: u8, length: usize, bytes: [u8; MAX_START], count: usize },
    /// The observer has been called, and so many bytes of the body are left.
    Body(usize),
}

impl Default for State {
    fn default() -> Self {
        Self::Header { bytes: [0; HEADER], count: 0 }
    }
}

impl<O: Observer> Reader<O> {
    /// Follows the bytes up to a message that is not forwarded.
    fn follow(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let mut rest = bytes;
        let mut begin = 0;
        loop {
            match &mut self.state {
                State::Header { bytes: header, count } => {
                    if *count == 0 {
                        begin = bytes.len() - rest.len();
                    }
                    if !fill(&mut header[..], count, &mut rest) {
                        return Ok(());
                    }
                    let [tag, length @ ..] = *header;
                    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                    // PostgreSQL's own length is signed: it refuses the others too.
                    let valid = length.checked_sub(4).filter(|_| length <= i32::MAX as usize);
                    let Some(length) = valid else { return Err(Refused { forward: begin, answer: None }) };
                    self.state = State::Start { tag, length, bytes: [0; MAX_START], count: 0 };
                }
                State::Start { tag, length, bytes: start, count } => {
                    let wanted = O::START.min(MAX_START).min(*length);
                    if !fill(&mut start[..wanted], count, &mut rest) {
                        return Ok(());
                    }
                    let answer = self.observer.observe(*tag, *length, &start[..wanted]);
                    if answer.is_some() {
                        return Err(Refused { forward: begin, answer });
                    }
                    self.state = State::Body(*length - wanted);
                }
                State::Body(left) => {
                    let skipped = rest.len().min(*left);
                    rest = &rest[skipped..];
                    *left -= skipped;
                    if *left > 0 {
                        return Ok(());
                    }
                    self.state = State::default();
                    if rest.is_empty() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Moves bytes from `rest` until `buffer` is full, and returns whether it is.
fn fill(buffer: &mut [u8], count: &mut usize, rest: &mut &[u8]) -> bool {
    let moved = rest.len().min(buffer.len() - *count);
    buffer[*count..*count + moved].copy_from_slice(&rest[..moved]);
    *count += moved;
    *rest = &rest[moved..];
    *count == buffer.len()
}
