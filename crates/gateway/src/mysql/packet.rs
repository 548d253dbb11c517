//! Packets: three bytes of length, one of sequence, and the payload.

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::Failure;

/// The bytes before a payload.
pub(super) const HEADER: usize = 4;

/// The length of a packet that is continued in the next one.
pub(super) const CONTINUED: usize = 0xff_ffff;

/// A packet. `Debug` shows no payload: it may be a token.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packet {
    /// The sequence number of its last part.
    pub sequence: u8,
    /// The payload, joined if it was sent in parts.
    pub payload: Vec<u8>,
}

impl Packet {
    /// Returns the sequence number of the answer.
    #[must_use]
    pub fn next_sequence(&self) -> u8 {
        self.sequence.wrapping_add(1)
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("sequence", &self.sequence)
            .field("length", &self.payload.len())
            .finish()
    }
}

/// Returns the length and the sequence number in a header.
pub(super) fn parse_header([a, b, c, sequence]: [u8; HEADER]) -> (usize, u8) {
    (u32::from_le_bytes([a, b, c, 0]) as usize, sequence)
}

/// Reads a packet of at most `limit` bytes, and not one byte after it. Returns `None` if the stream ends before it.
///
/// # Errors
/// Returns [`Failure::TooLong`] before anything is allocated for a longer packet, and [`Failure::Io`] if the stream
/// ends within the packet.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S, limit: usize) -> Result<Option<Packet>, Failure> {
    let mut header = [0; HEADER];
    if stream.read(&mut header[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut header[1..]).await?;
    let mut payload = Vec::new();
    loop {
        let (length, sequence) = parse_header(header);
        let start = payload.len();
        if start + length > limit {
            return Err(Failure::TooLong { length: start + length });
        }
        payload.resize(start + length, 0);
        stream.read_exact(&mut payload[start..]).await?;
        if length < CONTINUED {
            return Ok(Some(Packet { sequence, payload }));
        }
        stream.read_exact(&mut header).await?;
    }
}

/// Writes a packet in one write, in parts if it has 16 MB or more, and returns the next sequence number.
///
/// # Errors
/// Returns the stream's error.
pub async fn write<S: AsyncWrite + Unpin>(stream: &mut S, sequence: u8, payload: &[u8]) -> io::Result<u8> {
    let (bytes, next) = encode(sequence, payload);
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    Ok(next)
}

/// Returns a packet with its header, and the next sequence number.
///
/// ```
/// use rds_iam_gateway::mysql::packet;
///
/// assert_eq!(packet::encode(0, b"\x0e"), (b"\x01\0\0\0\x0e".to_vec(), 1));
/// ```
#[must_use]
pub fn encode(mut sequence: u8, payload: &[u8]) -> (Vec<u8>, u8) {
    let mut bytes = Vec::with_capacity(payload.len() + HEADER * (payload.len() / CONTINUED + 1));
    let mut rest = payload;
    loop {
        let (part, after) = rest.split_at(rest.len().min(CONTINUED));
        // A part is shorter than 2^24 bytes.
        bytes.extend_from_slice(&part.len().to_le_bytes()[..3]);
        bytes.push(sequence);
        bytes.extend_from_slice(part);
        sequence = sequence.wrapping_add(1);
        // A payload of a multiple of that length ends with an empty part.
        if part.len() < CONTINUED {
            return (bytes, sequence);
        }
        rest = after;
    }
}
