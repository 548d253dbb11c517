//! Bytes that are checked as they arrive, and a target that sends and receives them: for tests and measurements of
//! transfers of any size, in constant memory.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The bytes after which the pattern repeats. It is a prime: what follows messages or buffers that were lost, repeated
/// or exchanged differs from what is expected.
const PERIOD: usize = 1_048_573;

/// The most bytes that are sent or compared at once.
const PART: usize = 64 * 1024;

/// The answer of a target that has received all bytes as expected.
const RECEIVED: u8 = b'k';

/// The length of an encoded [`Request`].
const REQUEST: usize = 9;

/// Returns the amount of work of long tests: the value of `RDS_IAM_TUNNEL`, by default 1. With 128, each transfer has
/// 1 GiB, and connections come and go for a minute.
#[must_use]
pub fn amount() -> u32 {
    std::env::var("RDS_IAM_TUNNEL").ok().and_then(|amount| amount.parse().ok()).unwrap_or(1)
}

/// The bytes of a transfer. Clones share them.
#[derive(Clone, Debug)]
pub struct Pattern(Arc<[u8]>);

impl Default for Pattern {
    fn default() -> Self {
        let mut bytes = vec![0; PERIOD + PART];
        fastrand::Rng::with_seed(1).fill(&mut bytes[..PERIOD]);
        // Each part is in one piece.
        bytes.copy_within(..PART, PERIOD);
        Self(bytes.into())
    }
}

impl Pattern {
    /// Returns the bytes from a position, at most `length` and at most [`PART`].
    fn part(&self, position: u64, length: u64) -> &[u8] {
        let start = (position % PERIOD as u64) as usize;
        &self.0[start..start + length.min(PART as u64) as usize]
    }

    /// Writes the first `length` bytes.
    ///
    /// # Errors
    /// Returns the error of a write.
    pub async fn send<W: AsyncWrite + Unpin>(&self, to: &mut W, length: u64) -> io::Result<()> {
        let mut position = 0;
        while position < length {
            let part = self.part(position, length - position);
            to.write_all(part).await?;
            position += part.len() as u64;
        }
        to.flush().await
    }

    /// Reads `length` bytes, and compares each with the pattern.
    ///
    /// # Errors
    /// Returns the error of a read, [`io::ErrorKind::UnexpectedEof`] if there are fewer bytes, and
    /// [`io::ErrorKind::InvalidData`] if they are others.
    pub async fn receive<R: AsyncRead + Unpin>(&self, from: &mut R, length: u64) -> io::Result<()> {
        let mut buffer = vec![0; PART];
        let mut position = 0;
        while position < length {
            let limit = self.part(position, length - position).len();
            let read = from.read(&mut buffer[..limit]).await?;
            if read == 0 {
                let text = format!("the bytes end after {position} of {length}");
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
            }
            if buffer[..read] != *self.part(position, read as u64) {
                let text = format!("of {length} bytes, some of the {read} from {position} on are wrong");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            position += read as u64;
        }
        Ok(())
    }

    /// Sends bytes to a [`Target`], which checks them.
    ///
    /// # Errors
    /// Returns the error of a read or write. The connection ends if the target received other bytes.
    pub async fn upload<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        length: u64,
    ) -> io::Result<()> {
        request(stream, Request::Upload(length)).await?;
        self.send(stream, length).await?;
        match stream.read_u8().await? {
            RECEIVED => Ok(()),
            other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("the target answered {other}"))),
        }
    }

    /// Receives bytes from a [`Target`], and checks them.
    ///
    /// # Errors
    /// Returns the errors of [`receive`](Self::receive), and of the request.
    pub async fn download<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        length: u64,
    ) -> io::Result<()> {
        request(stream, Request::Download(length)).await?;
        self.receive(stream, length).await
    }

    /// Sends bytes to a [`Target`] and back, and checks them. Both directions are used at the same time.
    ///
    /// # Errors
    /// Returns the errors of [`receive`](Self::receive), and of a write.
    pub async fn echo<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        length: u64,
    ) -> io::Result<()> {
        request(stream, Request::Echo(length)).await?;
        let (mut from, mut to) = tokio::io::split(stream);
        let (sent, received) = tokio::join!(self.send(&mut to, length), self.receive(&mut from, length));
        sent.and(received)
    }
}

/// What a client requests of a [`Target`]. A connection may have several requests, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// The target receives so many bytes of the pattern.
    Upload(u64),
    /// The target sends so many bytes of the pattern.
    Download(u64),
    /// The target sends back so many bytes.
    Echo(u64),
    /// The target reads nothing more, and leaves the connection open.
    Stall,
}

impl Request {
    fn encode(self) -> [u8; REQUEST] {
        let (kind, length) = match self {
            Self::Upload(length) => (b'u', length),
            Self::Download(length) => (b'd', length),
            Self::Echo(length) => (b'e', length),
            Self::Stall => (b's', 0),
        };
        let mut bytes = [kind; REQUEST];
        bytes[1..].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    fn decode(bytes: [u8; REQUEST]) -> io::Result<Self> {
        let [kind, length @ ..] = bytes;
        let length = u64::from_be_bytes(length);
        match kind {
            b'u' => Ok(Self::Upload(length)),
            b'd' => Ok(Self::Download(length)),
            b'e' => Ok(Self::Echo(length)),
            b's' => Ok(Self::Stall),
            other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("the unknown request {other}"))),
        }
    }
}

/// Sends a request to a [`Target`].
///
/// # Errors
/// Returns the error of the write.
pub async fn request<W: AsyncWrite + Unpin>(to: &mut W, request: Request) -> io::Result<()> {
    to.write_all(&request.encode()).await
}

/// A target on a free port of the loopback address. Dropping it closes its connections.
#[derive(Debug)]
pub struct Target {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Target {
    /// Starts a target that sends and receives `pattern`.
    ///
    /// # Errors
    /// Returns an error if the system gives no port.
    pub async fn start(pattern: Pattern) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, pattern));
        Ok(Self { address, _serving: serving })
    }

    /// Returns the address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(listener: TcpListener, pattern: Pattern) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((mut stream, _)) = accepted else { return };
                // A failure only delays packets.
                stream.set_nodelay(true).ok();
                let pattern = pattern.clone();
                connections.spawn(async move {
                    // The client gets the end of the connection.
                    if let Err(error) = serve_one(&mut stream, &pattern).await {
                        tracing::debug!(%error, "a connection to the target ends");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_one(stream: &mut TcpStream, pattern: &Pattern) -> io::Result<()> {
    loop {
        let mut bytes = [0; REQUEST];
        stream.read_exact(&mut bytes).await?;
        match Request::decode(bytes)? {
            Request::Upload(length) => {
                pattern.receive(stream, length).await?;
                stream.write_all(&[RECEIVED]).await?;
            }
            Request::Download(length) => pattern.send(stream, length).await?,
            Request::Echo(length) => {
                let (from, mut to) = stream.split();
                tokio::io::copy(&mut from.take(length), &mut to).await?;
            }
            Request::Stall => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the kind of the error when these bytes are received as the first ones of the pattern.
    async fn received(bytes: &[u8], length: u64) -> Option<io::ErrorKind> {
        let mut from = bytes;
        Pattern::default().receive(&mut from, length).await.err().map(|error| error.kind())
    }

    #[tokio::test]
    async fn lost_repeated_exchanged_and_changed_bytes_are_detected() {
        let length = 3_000_000;
        let mut sent = Vec::new();
        Pattern::default().send(&mut sent, length).await.unwrap();
        assert_eq!((sent.len() as u64, received(&sent, length).await), (length, None));
        assert_eq!(received(&sent[..2_999_999], length).await, Some(io::ErrorKind::UnexpectedEof));
        let wrong = Some(io::ErrorKind::InvalidData);
        let (head, tail) = sent.split_at(2_000_000);
        assert_eq!(received(&[head, &tail[1024..], &head[..1024]].concat(), length).await, wrong);
        assert_eq!(received(&[head, &head[head.len() - 1024..], tail].concat(), length).await, wrong);
        let (first, second) = (&tail[..1024], &tail[1024..2048]);
        assert_eq!(received(&[head, second, first, &tail[2048..]].concat(), length).await, wrong);
        let mut changed = sent.clone();
        changed[1_234_567] ^= 1;
        assert_eq!(received(&changed, length).await, wrong);
    }

    #[tokio::test]
    async fn a_target_serves_requests_one_after_the_other_and_ends_at_wrong_bytes() {
        let pattern = Pattern::default();
        let target = Target::start(pattern.clone()).await.unwrap();
        let mut stream = TcpStream::connect(target.address()).await.unwrap();
        for length in [0, 1, 200_000] {
            pattern.upload(&mut stream, length).await.unwrap();
            pattern.echo(&mut stream, length).await.unwrap();
            pattern.download(&mut stream, length).await.unwrap();
        }
        request(&mut stream, Request::Upload(4)).await.unwrap();
        stream.write_all(b"nope").await.unwrap();
        assert!(stream.read_u8().await.is_err());
        // A stalled connection ends with the target.
        let mut stream = TcpStream::connect(target.address()).await.unwrap();
        request(&mut stream, Request::Stall).await.unwrap();
        drop(target);
        assert!(stream.read_u8().await.is_err());
    }
}
