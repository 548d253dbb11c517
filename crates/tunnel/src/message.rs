//! Messages of the data channel: a header of 120 bytes and a payload, both ways, one in each binary message of the
//! WebSocket.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | header length, 116: all that is before the payload's length |
//! | 4 | 32 | type, ASCII, padded with spaces |
//! | 36 | 4 | schema version, 1 |
//! | 40 | 8 | creation, in ms since 1970 |
//! | 48 | 8 | sequence number, signed |
//! | 56 | 8 | flags |
//! | 64 | 16 | id: a UUID whose halves are swapped |
//! | 80 | 32 | SHA-256 of the payload |
//! | 112 | 4 | payload type |
//! | 116 | 4 | payload length |
//!
//! Numbers are big-endian.

#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::{BufMut as _, Bytes, BytesMut};
use thiserror::Error;
use uuid::Uuid;

/// The header length of every message: the bytes before the payload's length.
pub const HEADER_LENGTH: usize = 116;

/// The longest header that is read. Nothing counts its bytes.
const MAX_HEADER_LENGTH: usize = 1024;

/// The bytes before the payload.
pub const PAYLOAD_OFFSET: usize = HEADER_LENGTH + 4;

/// The schema version of every message.
pub const SCHEMA_VERSION: u32 = 1;

/// The bytes of the type.
const KIND_LENGTH: usize = 32;

/// The first message of a direction.
pub const FLAG_SYN: u64 = 1;

/// The last message of a direction. Acknowledgements have both flags.
pub const FLAG_FIN: u64 = 2;

/// The type of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `input_stream_data`: from the client to the agent.
    InputStreamData,
    /// `output_stream_data`: from the agent to the client.
    OutputStreamData,
    /// `acknowledge`: a stream message was received.
    Acknowledge,
    /// `channel_closed`: the service ended the session.
    ChannelClosed,
    /// `start_publication`: the service accepts messages.
    StartPublication,
    /// `pause_publication`: the service accepts no stream messages until it sends `start_publication`.
    PausePublication,
    /// `agent_session_state`: from the agent to the service.
    AgentSessionState,
    /// Another type, which receivers ignore: ASCII of at most 32 bytes.
    Other(String),
}

impl Kind {
    /// Returns the type as it is in a message.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::InputStreamData => "input_stream_data",
            Self::OutputStreamData => "output_stream_data",
            Self::Acknowledge => "acknowledge",
            Self::ChannelClosed => "channel_closed",
            Self::StartPublication => "start_publication",
            Self::PausePublication => "pause_publication",
            Self::AgentSessionState => "agent_session_state",
            Self::Other(name) => name,
        }
    }

    fn parse(name: &str) -> Self {
        match name {
            "input_stream_data" => Self::InputStreamData,
            "output_stream_data" => Self::OutputStreamData,
            "acknowledge" => Self::Acknowledge,
            "channel_closed" => Self::ChannelClosed,
            "start_publication" => Self::StartPublication,
            "pause_publication" => Self::PausePublication,
            "agent_session_state" => Self::AgentSessionState,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Returns whether messages of this type are checked for their creation time and digest. The service sends those
    /// of publication without.
    fn is_checked(&self) -> bool {
        !matches!(self, Self::StartPublication | Self::PausePublication)
    }
}

/// The type of a payload. 0, of messages outside the count, is [`None`](Self::NONE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadType(pub u32);

impl PayloadType {
    /// No type: acknowledgements and messages of the service.
    pub const NONE: Self = Self(0);
    /// Bytes of the stream.
    pub const OUTPUT: Self = Self(1);
    /// An error, as text.
    pub const ERROR: Self = Self(2);
    /// The size of a terminal.
    pub const SIZE: Self = Self(3);
    /// A parameter.
    pub const PARAMETER: Self = Self(4);
    /// [`HandshakeRequest`](crate::handshake::HandshakeRequest).
    pub const HANDSHAKE_REQUEST: Self = Self(5);
    /// [`HandshakeResponse`](crate::handshake::HandshakeResponse).
    pub const HANDSHAKE_RESPONSE: Self = Self(6);
    /// [`HandshakeComplete`](crate::handshake::HandshakeComplete).
    pub const HANDSHAKE_COMPLETE: Self = Self(7);
    /// The agent's challenge, encrypted.
    pub const CHALLENGE_REQUEST: Self = Self(8);
    /// The client's answer to the challenge.
    pub const CHALLENGE_RESPONSE: Self = Self(9);
    /// A [`Flag`].
    pub const FLAG: Self = Self(10);
    /// Bytes of standard error.
    pub const STDERR: Self = Self(11);
    /// The exit status of a command, as text.
    pub const EXIT_CODE: Self = Self(12);
}

/// The payload of type [`PayloadType::FLAG`]: a big-endian number of four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flag {
    /// 1, from the client: its local connection ended, and the agent closes the one to the target (basic mode).
    DisconnectToPort,
    /// 2, from the client: end the session.
    TerminateSession,
    /// 3, from the agent: the target could not be connected to.
    ConnectToPortError,
}

impl Flag {
    /// Returns the payload.
    #[must_use]
    pub fn to_payload(self) -> Bytes {
        let number: u32 = match self {
            Self::DisconnectToPort => 1,
            Self::TerminateSession => 2,
            Self::ConnectToPortError => 3,
        };
        Bytes::copy_from_slice(&number.to_be_bytes())
    }

    /// Reads a payload. Returns `None` if it is no flag that is known.
    #[must_use]
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        match u32::from_be_bytes(payload.try_into().ok()?) {
            1 => Some(Self::DisconnectToPort),
            2 => Some(Self::TerminateSession),
            3 => Some(Self::ConnectToPortError),
            _ => None,
        }
    }
}

/// A message. `Debug` shows no payload: it may be part of a login.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The type.
    pub kind: Kind,
    /// The schema version, [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The creation time, in ms since 1970. It is never 0 in a message that is checked.
    pub created: u64,
    /// The number in its direction; 0 in messages outside the count.
    pub sequence: i64,
    /// [`FLAG_SYN`] and [`FLAG_FIN`].
    pub flags: u64,
    /// The id. A message that is sent again keeps it.
    pub id: Uuid,
    /// The type of the payload.
    pub payload_type: PayloadType,
    /// The payload.
    pub payload: Bytes,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .field("sequence", &self.sequence)
            .field("payload_type", &self.payload_type.0)
            .field("length", &self.payload.len())
            .finish_non_exhaustive()
    }
}

impl Message {
    /// Encodes the message. The digest and the lengths are computed. A type of more than 32 bytes is cut.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(PAYLOAD_OFFSET + self.payload.len());
        let mut kind = [b' '; KIND_LENGTH];
        let name = self.kind.as_str().as_bytes();
        let length = name.len().min(KIND_LENGTH);
        kind[..length].copy_from_slice(&name[..length]);
        let (high, low) = self.id.as_u64_pair();
        bytes.put_u32(HEADER_LENGTH as u32);
        bytes.put_slice(&kind);
        bytes.put_u32(self.schema_version);
        bytes.put_u64(self.created);
        bytes.put_i64(self.sequence);
        bytes.put_u64(self.flags);
        bytes.put_u64(low);
        bytes.put_u64(high);
        bytes.put_slice(digest(&SHA256, &self.payload).as_ref());
        bytes.put_u32(self.payload_type.0);
        bytes.put_u32(u32::try_from(self.payload.len()).unwrap_or(u32::MAX));
        bytes.put_slice(&self.payload);
        bytes.freeze()
    }

    /// Reads a message. Every length is checked against the bytes that there are.
    ///
    /// # Errors
    /// Returns the reason why the bytes are no message. It was not received then: the sender sends it again.
    pub fn decode(bytes: &Bytes) -> Result<Self, MessageError> {
        let length = bytes.len();
        let short = MessageError::Short { length };
        let header = field(bytes, 0).map(u32::from_be_bytes).ok_or(short)? as usize;
        // A later version may have more fields; fewer cannot be read.
        let in_bounds = (HEADER_LENGTH..=MAX_HEADER_LENGTH).contains(&header) && header + 4 <= length;
        if !in_bounds {
            return Err(MessageError::HeaderLength { header, length });
        }
        let short = || MessageError::Short { length };
        let kind = Kind::parse(parse_name(bytes.get(4..36).ok_or_else(short)?)?);
        let number = |offset| field(bytes, offset).map(u64::from_be_bytes).ok_or_else(short);
        let message = Self {
            kind,
            schema_version: field(bytes, 36).map(u32::from_be_bytes).ok_or_else(short)?,
            created: number(40)?,
            sequence: field(bytes, 48).map(i64::from_be_bytes).ok_or_else(short)?,
            flags: number(56)?,
            id: Uuid::from_u64_pair(number(72)?, number(64)?),
            payload_type: PayloadType(field(bytes, 112).map(u32::from_be_bytes).ok_or_else(short)?),
            payload: bytes.slice(header + 4..),
        };
        let announced = field(bytes, header).map(u32::from_be_bytes).ok_or_else(short)? as usize;
        if announced != message.payload.len() {
            return Err(MessageError::PayloadLength { announced, length: message.payload.len() });
        }
        if message.kind.is_checked() {
            if message.created == 0 {
                return Err(MessageError::NoCreation);
            }
            let expected = bytes.get(80..112).ok_or_else(short)?;
            if announced > 0 && digest(&SHA256, &message.payload).as_ref() != expected {
                return Err(MessageError::Digest { sequence: message.sequence });
            }
        }
        Ok(message)
    }
}

/// Returns the `N` bytes from `offset`, if there are so many.
fn field<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

/// Returns a type without what pads it: spaces, and NULs from some senders.
fn parse_name(bytes: &[u8]) -> Result<&str, MessageError> {
    let name = bytes.trim_ascii();
    let name = std::str::from_utf8(name).map_err(|_| MessageError::Kind)?;
    let name = name.trim_matches([' ', '\0']);
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(MessageError::Kind);
    }
    Ok(name)
}

/// The reason why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// There are fewer bytes than a header has.
    #[error("a message has {length} bytes, fewer than its header")]
    Short {
        /// The bytes that there are.
        length: usize,
    },
    /// The header is shorter than its fields, or longer than the message or than 1,024 bytes.
    #[error("a message of {length} bytes announces a header of {header}")]
    HeaderLength {
        /// The announced length.
        header: usize,
        /// The bytes that there are.
        length: usize,
    },
    /// The type is empty, or no printable ASCII.
    #[error("the type of a message is no name")]
    Kind,
    /// The payload's length is not the number of bytes that follow.
    #[error("a message announces a payload of {announced} bytes and has {length}")]
    PayloadLength {
        /// The announced length.
        announced: usize,
        /// The bytes that there are.
        length: usize,
    },
    /// The creation time is 0.
    #[error("a message has no creation time")]
    NoCreation,
    /// The payload was changed on its way.
    #[error("the payload of message {sequence} does not have the digest in its header")]
    Digest {
        /// The message's number.
        sequence: i64,
    },
}
