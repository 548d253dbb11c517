//! One message: a type byte, a length, a body.

use std::fmt;
use std::io;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::Failure;

/// The bytes of a message's header: the type and the length.
pub const HEADER: usize = 5;

/// A message of the login.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the protocol's messages have a type and a body")]
pub struct Message {
    /// The type.
    pub tag: u8,
    /// The bytes after the length.
    pub body: Vec<u8>,
}

impl Message {
    /// Returns the message's bytes, header included.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self.tag, &self.body)
    }
}

/// A body may be a password: only its length is shown.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({:?}, {} bytes)", char::from(self.tag), self.body.len())
    }
}

/// The error of a message that could not be read. The caller knows which side sent it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The peer closed the connection, at or within a message.
    #[error("the connection was closed")]
    Closed,
    /// The announced length does not include itself.
    #[error("a message announces a length below 4")]
    TooShort,
    /// The announced length is over the limit.
    #[error("a message announces {0} bytes")]
    TooLong(usize),
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[source] io::Error),
}

impl ReadError {
    /// Returns the failure of a login, if a client sent the message.
    #[must_use]
    pub fn of_client(self) -> Failure {
        match self {
            Self::Closed => Failure::ClientGone,
            Self::TooShort => Failure::Malformed("a message announces a length below 4"),
            Self::TooLong(length) => Failure::TooLong { length },
            Self::Io(error) => Failure::Io(error),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

/// Reads one message, and nothing after it. Its body has at most `limit` bytes.
///
/// # Errors
/// Returns an error if the announced length is wrong or over the limit, before memory is allocated for it, or if the
/// connection ends.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S, limit: usize) -> Result<Message, ReadError> {
    let tag = stream.read_u8().await?;
    let length = stream.read_u32().await?;
    let length = usize::try_from(length).unwrap_or(usize::MAX).checked_sub(4).ok_or(ReadError::TooShort)?;
    if length > limit {
        return Err(ReadError::TooLong(length));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Message { tag, body })
}

/// Writes one message and flushes the stream.
///
/// # Errors
/// Returns an error if the connection fails.
pub async fn write<S: AsyncWrite + Unpin>(stream: &mut S, tag: u8, body: &[u8]) -> io::Result<()> {
    stream.write_all(&encode(tag, body)).await?;
    stream.flush().await
}

/// Returns a message's bytes. No body of this crate reaches the 4 GB that a length can express.
#[must_use]
pub fn encode(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.push(tag);
    bytes.extend_from_slice(&u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Takes a text up to its zero byte from `bytes`, or returns `None` if there is no zero byte.
pub(crate) fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    let text = &bytes[..end];
    *bytes = &bytes[end + 1..];
    Some(text)
}
