//! The first packet of a client, which has no type byte.

use std::fmt;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::message::{ReadError, take_text};
use crate::Failure;

/// The most bytes of a startup packet, which is PostgreSQL's limit too.
pub const MAX_STARTUP_PACKET: usize = 10_000;

/// The code of a request for TLS.
pub const TLS_REQUEST: u32 = 80_877_103;
/// The code of a request for GSS encryption.
pub const GSS_REQUEST: u32 = 80_877_104;
/// The code of a cancel request.
pub const CANCEL_REQUEST: u32 = 80_877_102;

/// The first byte of a TLS handshake, with which a client begins that uses TLS without asking.
const TLS_HANDSHAKE: u8 = 0x16;
/// The lengths of a cancel key: 4 bytes in version 3.0, up to 256 from 3.2 on.
const CANCEL_KEY: std::ops::RangeInclusive<usize> = 4..=256;

/// The first packet of a client.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum First {
    /// The client asks for TLS.
    Tls,
    /// The client asks for GSS encryption.
    Gss,
    /// The client wants a statement of another session cancelled.
    Cancel(CancelKey),
    /// The client wants to log in.
    Startup(Startup),
    /// The client begins a TLS handshake without asking. Its first byte, 0x16, has been read.
    DirectTls,
    /// The bytes are none of this protocol: HTTP, a port scan, another version.
    NotPostgres(&'static str),
}

/// The process number and secret key which identify a session in a cancel request.
#[derive(Clone, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the protocol's key has these two parts")]
pub struct CancelKey {
    /// The number of the server process.
    pub process: u32,
    /// The secret: 4 to 256 bytes.
    pub key: Vec<u8>,
}

impl CancelKey {
    /// Reads a key from a cancel request after its code, or from the body of BackendKeyData.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (process, key) = bytes.split_first_chunk()?;
        CANCEL_KEY
            .contains(&key.len())
            .then(|| Self { process: u32::from_be_bytes(*process), key: key.to_vec() })
    }

    /// Returns the cancel request with this key.
    #[must_use]
    pub fn request(&self) -> Vec<u8> {
        let mut body = CANCEL_REQUEST.to_be_bytes().to_vec();
        body.extend_from_slice(&self.process.to_be_bytes());
        body.extend_from_slice(&self.key);
        packet(&body)
    }
}

/// The key allows to cancel statements: it is not shown.
impl fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelKey").field("process", &self.process).finish_non_exhaustive()
    }
}

/// A startup packet: the protocol version and the parameters, which hold no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Startup {
    /// The protocol's major version, 3.
    pub major: u16,
    /// The protocol's minor version.
    pub minor: u16,
    /// The names and values in the client's order, in the client's encoding.
    pub parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Startup {
    /// Creates a startup packet of version 3.0 from names and values.
    #[must_use]
    pub fn new(parameters: &[(&str, &str)]) -> Self {
        let bytes = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        Self { major: 3, minor: 0, parameters: parameters.iter().map(bytes).collect() }
    }

    /// Returns the last value of a parameter, which is the one that PostgreSQL uses.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let matching = self.parameters.iter().rev().find(|(key, _)| key == name.as_bytes());
        matching.map(|(_, value)| value.as_slice())
    }

    /// Returns the user.
    ///
    /// # Errors
    /// Returns an error if it is missing, empty, or not UTF-8.
    pub fn user(&self) -> Result<&str, Failure> {
        match self.get("user").map(std::str::from_utf8) {
            Some(Ok(user)) if !user.is_empty() => Ok(user),
            Some(Err(_)) => Err(Failure::Malformed("the name of the user is not UTF-8")),
            _ => Err(Failure::Malformed("the startup packet names no user")),
        }
    }

    /// Returns the same parameters with another user. The database, whose default is the user, remains the client's.
    #[must_use]
    pub fn with_user(&self, user: &str) -> Self {
        let mut changed = self.clone();
        let original = self.get("user").unwrap_or_default().to_vec();
        changed.parameters.retain(|(name, _)| name != b"user");
        changed.parameters.insert(0, (b"user".to_vec(), user.as_bytes().to_vec()));
        if self.get("database").is_none_or(<[u8]>::is_empty) && !original.is_empty() {
            changed.parameters.retain(|(name, _)| name != b"database");
            changed.parameters.insert(1, (b"database".to_vec(), original));
        }
        changed
    }

    /// Returns the packet's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = [self.major.to_be_bytes(), self.minor.to_be_bytes()].concat();
        for (name, value) in &self.parameters {
            for text in [name, value] {
                body.extend_from_slice(text);
                body.push(0);
            }
        }
        body.push(0);
        packet(&body)
    }

    fn parse(major: u16, minor: u16, mut bytes: &[u8]) -> Result<Self, &'static str> {
        let mut parameters = Vec::new();
        loop {
            let name = take_text(&mut bytes).ok_or("the startup packet has no end")?;
            if name.is_empty() {
                break;
            }
            let value = take_text(&mut bytes).ok_or("a parameter of the startup packet has no value")?;
            parameters.push((name.to_vec(), value.to_vec()));
        }
        if !bytes.is_empty() {
            return Err("the startup packet has bytes after its end");
        }
        Ok(Self { major, minor, parameters })
    }
}

/// Reads the first packet, and nothing after it.
///
/// # Errors
/// Returns an error if the connection ends or fails.
pub async fn read_first<S: AsyncRead + Unpin>(stream: &mut S) -> Result<First, Failure> {
    let closed = |error| ReadError::from(error).of_client();
    let mut length = [0; 4];
    stream.read_exact(&mut length[..1]).await.map_err(closed)?;
    match length[0] {
        // Every length below the limit begins with a zero byte: nothing more of another protocol has to be read.
        0 => stream.read_exact(&mut length[1..]).await.map_err(closed)?,
        TLS_HANDSHAKE => return Ok(First::DirectTls),
        _ => return Ok(First::NotPostgres("these bytes are not PostgreSQL's protocol")),
    };
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if !(8..=MAX_STARTUP_PACKET).contains(&length) {
        return Ok(First::NotPostgres("invalid length of the startup packet"));
    }
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body).await.map_err(closed)?;
    Ok(parse_first(&body))
}

fn parse_first(body: &[u8]) -> First {
    let Some((code, rest)) = body.split_first_chunk() else {
        return First::NotPostgres("invalid length of the startup packet");
    };
    match u32::from_be_bytes(*code) {
        TLS_REQUEST if rest.is_empty() => First::Tls,
        GSS_REQUEST if rest.is_empty() => First::Gss,
        CANCEL_REQUEST => CancelKey::parse(rest)
            .map_or(First::NotPostgres("invalid length of a cancel request"), First::Cancel),
        _ => {
            let [a, b, c, d] = *code;
            let (major, minor) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            if major != 3 {
                return First::NotPostgres("unsupported frontend protocol: 3.0 to 3.2 are supported");
            }
            Startup::parse(major, minor, rest).map_or_else(First::NotPostgres, First::Startup)
        }
    }
}

/// Returns a packet without a type byte.
#[must_use]
pub fn packet(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), body].concat()
}
