//! Frames of smux version 1: a header of eight bytes, and the data of one stream.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | version, 1 |
//! | 1 | 1 | command |
//! | 2 | 2 | length of the data, little-endian |
//! | 4 | 4 | stream, little-endian |

#[cfg(test)]
mod tests;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use thiserror::Error;

/// The bytes of a frame before its data.
pub const HEADER: usize = 8;

/// The most bytes of data that the official ends put into one frame. Receivers accept 65,535.
pub const MAX_SENT: usize = 32_768;

const VERSION: u8 = 1;

/// The command of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// 0: a stream is opened.
    Syn,
    /// 1: a stream is closed, in both directions.
    Fin,
    /// 2: data of a stream.
    Psh,
    /// 3: nothing; a keep-alive.
    Nop,
}

impl Command {
    fn parse(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Syn),
            1 => Some(Self::Fin),
            2 => Some(Self::Psh),
            3 => Some(Self::Nop),
            _ => None,
        }
    }
}

/// Writes the header of a frame with `length` bytes of data, which the caller writes after it.
pub fn write_header(buffer: &mut BytesMut, command: Command, stream: u32, length: u16) {
    buffer.reserve(HEADER);
    buffer.put_u8(VERSION);
    buffer.put_u8(match command {
        Command::Syn => 0,
        Command::Fin => 1,
        Command::Psh => 2,
        Command::Nop => 3,
    });
    buffer.put_u16_le(length);
    buffer.put_u32_le(stream);
}

/// Writes data of a stream, in as many frames as are needed.
pub fn write_data(buffer: &mut BytesMut, stream: u32, data: &[u8]) {
    for part in data.chunks(MAX_SENT) {
        // A part has at most 32,768 bytes.
        write_header(buffer, Command::Psh, stream, part.len() as u16);
        buffer.put_slice(part);
    }
}

/// A part of the received byte stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A stream is opened.
    Opened(u32),
    /// A stream is closed, in both directions.
    Closed(u32),
    /// Data of a stream, never empty. The data of one frame may come in several events.
    Data(u32, Bytes),
    /// A keep-alive.
    KeepAlive,
}

/// Reads frames from a byte stream that comes in parts with any borders. Data is passed on without a copy, and without
/// waiting for the end of its frame.
#[derive(Debug, Default)]
pub struct Decoder {
    header: [u8; HEADER],
    /// The bytes of the next header that were received.
    filled: usize,
    /// The stream of the current frame, and the bytes of its data that are to come.
    stream: u32,
    remaining: usize,
}

impl Decoder {
    /// Removes the next event from the front of `input`. Returns `None` if more input is needed; `input` is empty then.
    ///
    /// # Errors
    /// Returns the reason why the input is no smux. The session cannot continue.
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<Event>, FrameError> {
        loop {
            if self.remaining > 0 {
                let length = self.remaining.min(input.len());
                if length == 0 {
                    return Ok(None);
                }
                self.remaining -= length;
                return Ok(Some(Event::Data(self.stream, input.split_to(length))));
            }
            let length = (HEADER - self.filled).min(input.len());
            input.copy_to_slice(&mut self.header[self.filled..self.filled + length]);
            self.filled += length;
            if self.filled < HEADER {
                return Ok(None);
            }
            self.filled = 0;
            if let Some(event) = self.begin_frame()? {
                return Ok(Some(event));
            }
        }
    }

    /// Reads the header. Returns `None` for data, which follows.
    fn begin_frame(&mut self) -> Result<Option<Event>, FrameError> {
        let [version, command, length @ .., a, b, c, d] = self.header;
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        let command = Command::parse(command).ok_or(FrameError::Command(command))?;
        let length = u16::from_le_bytes(length);
        let stream = u32::from_le_bytes([a, b, c, d]);
        match command {
            Command::Psh => {
                (self.stream, self.remaining) = (stream, usize::from(length));
                Ok(None)
            }
            _ if length > 0 => Err(FrameError::Length { length }),
            Command::Syn => Ok(Some(Event::Opened(stream))),
            Command::Fin => Ok(Some(Event::Closed(stream))),
            Command::Nop => Ok(Some(Event::KeepAlive)),
        }
    }
}

/// The reason why bytes are no smux of version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Another version.
    #[error("a frame has version {0}; expected 1")]
    Version(u8),
    /// A command that version 1 does not have.
    #[error("a frame has the unknown command {0}")]
    Command(u8),
    /// A frame other than of data has a length.
    #[error("a frame without data announces {length} bytes")]
    Length {
        /// The announced length.
        length: u16,
    },
}
