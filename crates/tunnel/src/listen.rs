//! A local address whose connections go through a tunnel.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
    BufReader, copy_buf,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::{StreamError, Tunnel, TunnelError};

/// The bytes that are read at once.
const BUFFER: usize = 64 * 1024;

/// The time for which one side may send nothing after the other has closed a connection.
const LINGER: Duration = Duration::from_secs(5);

/// The pause after an error of `accept`, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The time between warnings of such an error, which lasts for many pauses.
const ACCEPT_WARNING: Duration = Duration::from_secs(30);

/// An open local address. Dropping it closes it, and its connections.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    latest: Latest,
    task: JoinHandle<()>,
}

/// The error of the connection that failed last.
type Latest = Arc<Mutex<Option<Box<dyn Error + Send + Sync>>>>;

impl Listener {
    /// Listens on a local address, and forwards each connection through a stream of `tunnel`. Port 0 is a free port.
    ///
    /// # Errors
    /// Returns the reason why the address could not be opened. It has to be on loopback.
    pub async fn bind(tunnel: Tunnel, address: SocketAddr) -> Result<Self, TunnelError> {
        if !address.ip().is_loopback() {
            return Err(TunnelError::NotLoopback(address));
        }
        let failed = |source| TunnelError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let latest = Latest::default();
        let task = tokio::spawn(serve(listener, tunnel, latest.clone()));
        Ok(Self { address, latest, task })
    }

    /// Returns the address; its port is not 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the error of the connection that failed last, once. It is logged too; the local program finds its
    /// connection reset, without a reason.
    #[must_use]
    pub fn take_error(&self) -> Option<Box<dyn Error + Send + Sync>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, tunnel: Tunnel, latest: Latest) {
    let mut connections = JoinSet::new();
    let mut warned: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((local, _)) => {
                let (tunnel, latest) = (tunnel.clone(), latest.clone());
                connections.spawn(async move { serve_one(local, &tunnel, &latest).await });
            }
            Err(error) => {
                if warned.is_none_or(|at| at.elapsed() >= ACCEPT_WARNING) {
                    warned = Some(Instant::now());
                    tracing::warn!(
                        %error,
                        "a local connection could not be accepted; trying again. If too many files are open, close \
                         some connections or raise the limit (ulimit -n)"
                    );
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
        while let Some(ended) = connections.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "the task of a connection failed");
            }
        }
    }
}

async fn serve_one(mut local: TcpStream, tunnel: &Tunnel, latest: &Latest) {
    let error: Box<dyn Error + Send + Sync> = match forward(&mut local, tunnel).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.into(),
        Err(error) => error.into(),
    };
    let reason: &(dyn Error + 'static) = &*error;
    tracing::warn!(remote = %tunnel.remote(), error = reason, "a connection failed");
    // Before the reset, so that the program's owner finds the reason.
    *latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    reset(&local);
}

/// Closes a connection so that the program gets an error instead of an end.
fn reset(local: &TcpStream) {
    // Without it, the program gets an end.
    drop(local.set_zero_linger());
}

/// Forwards a connection until either side closes it. The inner error is that of the stream. An error of the local
/// connection is none: the program has gone.
async fn forward(local: &mut TcpStream, tunnel: &Tunnel) -> Result<io::Result<()>, TunnelError> {
    // Without it, small messages wait for acknowledgements of TCP.
    drop(local.set_nodelay(true));
    let stream = tunnel.open().await?;
    let (from_local, mut to_local) = local.split();
    let (from_tunnel, mut to_tunnel) = tokio::io::split(stream);
    let mut from_local = BufReader::with_capacity(BUFFER, from_local);
    let mut from_tunnel = BufReader::with_capacity(BUFFER, from_tunnel);
    let copied = tokio::select! {
        // A read error is the stream's, a write error the program's.
        copied = copy_buf(&mut from_tunnel, &mut to_local) => copied,
        up = copy_buf(&mut from_local, &mut to_tunnel) => {
            drop(up);
            drop(to_tunnel.shutdown().await);
            return Ok(stream_error(copy_rest(&mut from_tunnel, &mut to_local).await));
        }
    };
    if copied.is_ok() {
        drop(to_local.shutdown().await);
        // Bytes that the program still sends would make the system reset its connection, with what it has not read.
        drop(timeout(LINGER, drain(&mut from_local)).await);
    }
    Ok(stream_error(copied))
}

/// Forwards the rest of what the database sent before the end. The program may take its time for it: what it does not
/// get would be lost like a clean end.
async fn copy_rest(
    from_tunnel: &mut (impl AsyncBufRead + Unpin),
    to_local: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    loop {
        let Ok(part) = timeout(LINGER, from_tunnel.fill_buf()).await else {
            return Err(StreamError::Unanswered { after: LINGER }.into());
        };
        let part = part?;
        if part.is_empty() {
            return to_local.shutdown().await;
        }
        to_local.write_all(part).await?;
        let length = part.len();
        from_tunnel.consume(length);
    }
}

/// Returns an error of the stream, and ignores one of the local connection.
fn stream_error<T>(copied: io::Result<T>) -> io::Result<()> {
    match copied {
        Err(error) => match error.get_ref() {
            Some(inner) if inner.is::<StreamError>() => Err(error),
            _ => Ok(()),
        },
        Ok(_) => Ok(()),
    }
}

async fn drain(from: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = [0; 4096];
    while from.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_program_that_reads_slowly_gets_the_rest() {
        let sent = [7; 100];
        let mut rest = &sent[..];
        let (mut program, mut to_local) = tokio::io::duplex(16);
        let reading = async {
            let (mut received, mut part) = (Vec::new(), [0; 16]);
            loop {
                sleep(2 * LINGER).await;
                let length = program.read(&mut part).await.unwrap();
                if length == 0 {
                    return received;
                }
                received.extend_from_slice(&part[..length]);
            }
        };
        let (copied, received) = tokio::join!(copy_rest(&mut rest, &mut to_local), reading);
        copied.unwrap();
        assert_eq!(received, sent);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_does_not_come_is_an_error() {
        let (_agent, from_tunnel) = tokio::io::duplex(16);
        let mut from_tunnel = BufReader::new(from_tunnel);
        let copied = copy_rest(&mut from_tunnel, &mut tokio::io::sink()).await;
        // The error is the stream's, so that the program's connection is reset.
        let error = stream_error(copied).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    }
}
