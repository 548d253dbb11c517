//! The messages of one direction of a session after the login: only headers are read.

/// A reader of headers. It holds a few bytes, never a payload.
pub trait Frames {
    /// Reads the headers in `bytes`, which are the next ones of this direction.
    fn follow(&mut self, bytes: &[u8]) -> Followed;

    /// Returns whether the bytes so far end with a complete message: only then may another one be inserted.
    fn is_between_messages(&self) -> bool;
}

/// The decision about the bytes that [`Frames::follow`] was given.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Followed {
    /// All of them are forwarded.
    Forward,
    /// The first `forward` bytes are forwarded, then `answer` is sent to the side that sent the bytes, and both
    /// connections are closed.
    Refuse {
        /// The number of bytes before the refused message.
        forward: usize,
        /// The error message in the engine's protocol.
        answer: Vec<u8>,
    },
}
