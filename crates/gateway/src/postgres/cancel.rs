//! The keys of live sessions, and the cancel requests that use them.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connect::start_tls;
use super::startup::CancelKey;
use crate::{Failure, Upstream};

/// The time limit for each step of a cancel request: connecting, and the server's end of the connection.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// The keys of live sessions. Clones share them.
#[derive(Clone, Default)]
pub struct CancelKeys(Arc<Mutex<Sessions>>);

#[derive(Default)]
struct Sessions {
    by_key: HashMap<CancelKey, Session>,
    registered: u64,
}

struct Session {
    /// The registration, by which a guard removes only its own.
    number: u64,
    upstream: Upstream,
    address: SocketAddr,
}

/// The registration of a key, which ends when it is dropped.
#[derive(Debug)]
pub struct CancelGuard {
    keys: CancelKeys,
    key: CancelKey,
    number: u64,
}

impl CancelKeys {
    /// Registers the key of a session, which is connected to the server at `address`.
    #[must_use]
    pub fn register(&self, key: CancelKey, upstream: &Upstream, address: SocketAddr) -> CancelGuard {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.registered += 1;
        let number = sessions.registered;
        sessions.by_key.insert(key.clone(), Session { number, upstream: upstream.clone(), address });
        CancelGuard { keys: self.clone(), key, number }
    }

    /// Forwards a cancel request to the address of its session, over TLS, and waits until the server has closed the
    /// connection: then the request has been handled. A key of no session is ignored, as PostgreSQL does.
    /// Returns whether the request was forwarded.
    ///
    /// # Errors
    /// Returns an error if the server can't be reached.
    pub async fn forward(&self, key: &CancelKey) -> Result<bool, Failure> {
        let Some((upstream, address)) = self.find(key) else { return Ok(false) };
        let connected = timeout(STEP_TIMEOUT, TcpStream::connect(address)).await;
        let stream = connected
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|source| Failure::Unreachable { dialled: upstream.dialled().clone(), source })?;
        stream.set_nodelay(true)?;
        let mut secured = start_tls(stream, &upstream).await?;
        send(&mut secured, key).await?;
        Ok(true)
    }

    fn find(&self, key: &CancelKey) -> Option<(Upstream, SocketAddr)> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.by_key.get(key).map(|session| (session.upstream.clone(), session.address))
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        let mut sessions = self.keys.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.by_key.get(&self.key).is_some_and(|session| session.number == self.number) {
            sessions.by_key.remove(&self.key);
        }
    }
}

impl fmt::Debug for CancelKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelKeys").finish_non_exhaustive()
    }
}

/// Sends a cancel request and waits for the end of the connection.
async fn send<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, key: &CancelKey) -> Result<(), Failure> {
    stream.write_all(&key.request()).await?;
    stream.flush().await?;
    // The server's close, with or without TLS's own, is the only answer. A reset is one too.
    timeout(STEP_TIMEOUT, stream.read(&mut [0; 1])).await.ok();
    Ok(())
}
