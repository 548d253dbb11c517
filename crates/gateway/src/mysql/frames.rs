//! The packet headers after the login. Payloads are skipped, except for the first bytes of a command.

use super::error::ErrorPacket;
use super::packet::{self, CONTINUED, HEADER};
use crate::{Followed, Frames};

const COM_CHANGE_USER: u8 = 0x11;

/// The most bytes of a command that an observer gets.
const OBSERVED: usize = 64;

/// The packets of one direction.
#[derive(Debug, Default)]
struct Packets {
    header: [u8; HEADER],
    filled: usize,
    /// The bytes of the payload that have not arrived.
    remaining: usize,
    /// Whether the next packet continues this one.
    is_continued: bool,
}

/// A complete header.
struct Header {
    length: usize,
    sequence: u8,
    continues: bool,
}

impl Packets {
    /// Returns the next header in `bytes` at `*at`, which it moves behind that.
    fn next(&mut self, bytes: &[u8], at: &mut usize) -> Option<Header> {
        let skipped = self.remaining.min(bytes.len() - *at);
        *at += skipped;
        self.remaining -= skipped;
        let taken = (HEADER - self.filled).min(bytes.len() - *at);
        if self.remaining > 0 || taken == 0 {
            return None;
        }
        self.header[self.filled..self.filled + taken].copy_from_slice(&bytes[*at..*at + taken]);
        *at += taken;
        self.filled += taken;
        if self.filled < HEADER {
            return None;
        }
        self.filled = 0;
        let (length, sequence) = packet::parse_header(self.header);
        self.remaining = length;
        let continues = std::mem::replace(&mut self.is_continued, length == CONTINUED);
        Some(Header { length, sequence, continues })
    }

    fn is_between(&self) -> bool {
        self.filled == 0 && self.remaining == 0 && !self.is_continued
    }
}

/// A command of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "this is what is read of a command")]
pub struct Command<'a> {
    /// The command, such as 0x03 for COM_QUERY.
    pub byte: u8,
    /// The bytes after it that have arrived with it: 64 at most, and none if the client's bytes were split there.
    pub head: &'a [u8],
    /// The length of the packet, in bytes: 16 MB if it is continued.
    pub length: usize,
}

/// Decides about a command: `None` forwards it. Otherwise these bytes are the answer, and both connections are closed.
pub type Decide = fn(Command<'_>) -> Option<Vec<u8>>;

/// The packets of a client: commands, and files that the server requested with LOAD DATA LOCAL.
///
/// ```
/// use rds_iam_gateway::mysql::ClientFrames;
/// use rds_iam_gateway::{Followed, Frames as _};
///
/// let mut commands = Vec::new();
/// let mut frames = ClientFrames::with_observer(|command| {
///     commands.push(command.byte);
///     None
/// });
/// assert_eq!(frames.follow(b"\x01\0\0\0\x0e"), Followed::Forward);
/// assert!(frames.is_between_messages());
/// assert_eq!(commands, [0x0e]);
/// ```
#[derive(Debug)]
pub struct ClientFrames<F = Decide> {
    packets: Packets,
    /// The length of a command whose first byte has not arrived.
    awaited: Option<usize>,
    /// Whether packets are parts of a file. It ends with an empty one; the sequence number wraps on the way.
    is_file: bool,
    observer: F,
}

impl ClientFrames {
    /// Creates a reader of a client's packets, which refuses `COM_CHANGE_USER`.
    #[must_use]
    pub fn new() -> Self {
        Self::with_observer(refuse_change_user)
    }
}

impl Default for ClientFrames {
    fn default() -> Self {
        Self::new()
    }
}

/// Refuses `COM_CHANGE_USER`, which logs in again, and forwards every other command.
#[must_use]
pub fn refuse_change_user(command: Command<'_>) -> Option<Vec<u8>> {
    (command.byte == COM_CHANGE_USER).then(|| {
        let error = ErrorPacket::new(
            1047,
            *b"08S01",
            "COM_CHANGE_USER is not forwarded: the gateway logged in with a token, which the client does not have. \
             Open another connection for another user; to reset the session, use COM_RESET_CONNECTION",
        );
        packet::encode(1, &error.payload()).0
    })
}

impl<F: FnMut(Command<'_>) -> Option<Vec<u8>>> ClientFrames<F> {
    /// Creates a reader that asks `observer` about each command.
    #[must_use]
    pub fn with_observer(observer: F) -> Self {
        Self { packets: Packets::default(), awaited: None, is_file: false, observer }
    }

    /// Returns whether a command with a first byte begins with this packet.
    fn begins_command(&mut self, header: &Header) -> bool {
        if header.continues {
            return false;
        }
        if self.is_file {
            self.is_file = header.length > 0;
            return false;
        }
        // Every command has sequence number 0: this is the first part of a file, or the end of an empty one.
        if header.sequence != 0 {
            self.is_file = header.length > 0;
            return false;
        }
        header.length > 0
    }

    /// Handles the command's first byte, which is at `at`. Returns the answer to one that is not forwarded.
    fn command(&mut self, bytes: &[u8], at: usize, length: usize) -> Option<Vec<u8>> {
        let end = bytes.len().min(at + length).min(at + 1 + OBSERVED);
        (self.observer)(Command { byte: bytes[at], head: &bytes[at + 1..end], length })
    }
}

impl<F: FnMut(Command<'_>) -> Option<Vec<u8>>> Frames for ClientFrames<F> {
    fn follow(&mut self, bytes: &[u8]) -> Followed {
        let mut at = 0;
        // The beginning of the command's packet in these bytes.
        let mut start = 0;
        loop {
            if at < bytes.len()
                && let Some(length) = self.awaited.take()
                && let Some(answer) = self.command(bytes, at, length)
            {
                return Followed::Refuse { forward: start, answer };
            }
            let Some(header) = self.packets.next(bytes, &mut at) else { return Followed::Forward };
            start = at.saturating_sub(HEADER);
            if self.begins_command(&header) {
                self.awaited = Some(header.length);
            }
        }
    }

    fn is_between_messages(&self) -> bool {
        self.packets.is_between() && !self.is_file
    }
}

/// The packets of a server.
#[derive(Debug, Default)]
pub struct ServerFrames {
    packets: Packets,
    sequence: u8,
}

impl ServerFrames {
    /// Creates a reader of a server's packets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the sequence number of a packet that is inserted after the last one.
    #[must_use]
    pub fn next_sequence(&self) -> u8 {
        self.sequence
    }
}

impl Frames for ServerFrames {
    fn follow(&mut self, bytes: &[u8]) -> Followed {
        let mut at = 0;
        while let Some(header) = self.packets.next(bytes, &mut at) {
            self.sequence = header.sequence.wrapping_add(1);
        }
        Followed::Forward
    }

    fn is_between_messages(&self) -> bool {
        self.packets.is_between()
    }
}
