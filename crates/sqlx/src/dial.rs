//! TCP connections to an address that TLS does not verify, without Nagle's algorithm (docs/adr/0016-nodelay.md).
//!
//! sqlx verifies the host that it dials, and sqlx 0.9.0 does not set `TCP_NODELAY`, which costs 40 ms for each
//! connection and each statement that is not cached. It does accept a Unix socket, and verifies the host name that it
//! was given over that as well. So it connects to one of this process, which forwards the bytes over a TCP connection
//! to the address that was chosen, with the option set. TLS is between sqlx and the server.

#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rds_iam_token::Endpoint;
use tokio::io::{AsyncWriteExt as _, copy, sink};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The most bytes of a client that are kept until the server is connected: more than PostgreSQL's client sends first.
const MOST_EARLY: usize = 1024;

/// The time in which a failure is kept although a later connection succeeded: 1 second, in which the one that failed is
/// observed.
const OBSERVED: Duration = Duration::from_secs(1);

/// The pause after a failure to accept a connection: 50 milliseconds.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Forwards connections to one server. It starts when it is first used; dropping it refuses new connections and
/// leaves open ones.
#[derive(Default)]
pub(crate) struct Dialer {
    listening: Mutex<Option<Listening>>,
    failure: Arc<LastFailure>,
    /// Whether the latest attempt to listen failed, and the path of [`Self::unusable`] was given out.
    unusable: AtomicBool,
}

/// The error of the TCP connection that failed last, and its time: sqlx only observes that the socket was closed. A
/// connection that succeeds ends it, but not at once: another that failed may not have been observed yet.
#[derive(Default)]
struct LastFailure(Mutex<Option<(io::Error, Instant)>>);

impl LastFailure {
    fn set(&self, error: io::Error) {
        *lock(&self.0) = Some((error, Instant::now()));
    }

    /// Like [`set`](Self::set), unless a failure is kept: an open connection that ends is no reason why another failed.
    fn set_unless_recent(&self, error: io::Error) {
        let mut last = lock(&self.0);
        if last.as_ref().is_none_or(|(_, at)| at.elapsed() >= OBSERVED) {
            *last = Some((error, Instant::now()));
        }
    }

    fn end(&self) {
        lock(&self.0).take_if(|(_, at)| at.elapsed() >= OBSERVED);
    }

    fn get(&self) -> Option<io::Error> {
        lock(&self.0).as_ref().map(|(error, _)| clone_error(error))
    }
}

struct Listening {
    /// The path for the driver, which may add `file`.
    path: PathBuf,
    file: Option<String>,
    accepting: AbortHandle,
    /// The folder of the socket's file, if it has one.
    _folder: Option<Folder>,
}

impl Dialer {
    /// Returns the path to give to a driver for a connection to `server`. The driver adds `file`, if it is given.
    ///
    /// # Errors
    /// Returns an error if this process may not listen on a socket.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub(crate) fn socket(&self, server: &Endpoint, file: Option<&str>) -> io::Result<PathBuf> {
        let mut listening = lock(&self.listening);
        let is_usable = |current: &Listening| {
            // The task ends with its runtime; a target may outlive that.
            current.file.as_deref() == file && !current.accepting.is_finished()
        };
        let path = match &*listening {
            Some(current) if is_usable(current) => current.path.clone(),
            _ => {
                let new = self.listen(server, file)?;
                let path = new.path.clone();
                if let Some(before) = listening.replace(new) {
                    before.accepting.abort();
                }
                path
            }
        };
        self.unusable.store(false, Relaxed);
        Ok(path)
    }

    fn listen(&self, server: &Endpoint, file: Option<&str>) -> io::Result<Listening> {
        let (listener, path, folder) = bind(file)?;
        let accepting =
            tokio::spawn(accept(listener, server.clone(), Arc::clone(&self.failure))).abort_handle();
        Ok(Listening { path, file: file.map(str::to_owned), accepting, _folder: folder })
    }

    /// Returns a path to which no connection succeeds, and keeps `error` as the reason.
    pub(crate) fn unusable(&self, error: &io::Error) -> &'static str {
        let message = format!("no local socket to dial through: {error}");
        self.failure.set(io::Error::new(error.kind(), message));
        self.unusable.store(true, Relaxed);
        "/dev/null/no-socket"
    }

    /// Returns whether options made since the last success lead nowhere: make new ones, the cause may have passed.
    pub(crate) fn is_unusable(&self) -> bool {
        self.unusable.load(Relaxed)
    }

    /// Replaces the error of a failed connection by its cause if only the end of the socket was observed.
    pub(crate) fn explain(&self, error: sqlx::Error) -> sqlx::Error {
        let is_end_of_socket = match &error {
            sqlx::Error::Io(observed) => matches!(
                observed.kind(),
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::ConnectionReset
                    // The path of `unusable`.
                    | io::ErrorKind::NotADirectory
            ),
            // PostgreSQL's driver reads the end as the answer to its request for TLS.
            sqlx::Error::Protocol(_) => true,
            _ => false,
        };
        if !is_end_of_socket {
            return error;
        }
        self.failure.get().map_or(error, sqlx::Error::Io)
    }
}

impl Drop for Dialer {
    fn drop(&mut self) {
        if let Some(listening) = &*lock(&self.listening) {
            listening.accepting.abort();
        }
    }
}

/// Creates an equal error, since `io::Error` has no `Clone`.
fn clone_error(error: &io::Error) -> io::Error {
    error
        .raw_os_error()
        .map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Bound = (UnixListener, PathBuf, Option<Folder>);

/// Listens on a socket with a random name. On Linux it has no file: containers' file systems may be read-only. Returns the
/// path without `file`, which a driver adds.
fn bind(file: Option<&str>) -> io::Result<Bound> {
    #[cfg(target_os = "linux")]
    if let Ok(bound) = bind_abstract(file) {
        return Ok(bound);
    }
    bind_file(file)
}

#[cfg(target_os = "linux")]
fn bind_abstract(file: Option<&str>) -> io::Result<Bound> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener as Listener};

    let name = format!("rds-iam-sqlx-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let full_name = file.map_or_else(|| name.clone(), |file| format!("{name}/{file}"));
    let listener = Listener::bind_addr(&SocketAddr::from_abstract_name(full_name)?)?;
    listener.set_nonblocking(true)?;
    // An abstract name is written as a path that begins with a zero byte.
    Ok((UnixListener::from_std(listener)?, format!("\0{name}").into(), None))
}

/// A folder that only this user may enter. Dropping it removes it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn bind_file(file: Option<&str>) -> io::Result<Bound> {
    // Short: the path of a socket has 104 bytes at most, and a folder for temporary files may have 50.
    let folder = Folder(std::env::temp_dir().join(format!("rds-iam-sqlx-{:016x}", fastrand::u64(..))));
    std::fs::DirBuilder::new().mode(0o700).create(&folder.0)?;
    let socket = folder.0.join(file.unwrap_or("socket"));
    let path = if file.is_some() { folder.0.clone() } else { socket.clone() };
    Ok((UnixListener::bind(&socket)?, path, Some(folder)))
}

async fn accept(listener: UnixListener, server: Endpoint, failure: Arc<LastFailure>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) if is_this_process(&client) => {
                tokio::spawn(forward(client, server.clone(), Arc::clone(&failure)));
            }
            // Another process found the name: refuse it.
            Ok(_) => {}
            // Too many open files, most likely, until another connection ends.
            Err(error) => {
                tracing::warn!(%error, "a connection to the database waits to be forwarded");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_this_process(client: &UnixStream) -> bool {
    let process = client.peer_cred().ok().and_then(|peer| peer.pid());
    process.is_some_and(|process| u32::try_from(process).is_ok_and(|process| process == std::process::id()))
}

/// Waits until the client has closed, and adds to `early` what it sends before: a PostgreSQL client speaks first.
async fn closed(client: &UnixStream, early: &mut Vec<u8>) {
    let mut bytes = [0; 64];
    while early.len() < MOST_EARLY && client.readable().await.is_ok() {
        match client.try_read(&mut bytes) {
            Ok(0) => return,
            Ok(length) => early.extend_from_slice(&bytes[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
    if early.len() >= MOST_EARLY {
        std::future::pending::<()>().await;
    }
}

/// Forwards bytes both ways until the client closes: a client that has closed reads nothing more.
async fn forward(client: UnixStream, server: Endpoint, failure: Arc<LastFailure>) {
    let mut early = Vec::new();
    // The caller limits the time, and closes its end then.
    let connected = tokio::select! {
        connected = connect(&server) => connected,
        () = closed(&client, &mut early) => return,
    };
    let connected = match connected {
        Ok(mut stream) => stream.write_all(&early).await.map(|()| stream),
        Err(error) => Err(error),
    };
    let server = match connected {
        Ok(server) => server,
        Err(error) => {
            failure.set(error);
            return;
        }
    };
    failure.end();
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let down = async {
        // Before the client observes the end.
        match copy(&mut from_server, &mut to_client).await {
            Ok(0) => failure.set_unless_recent(unanswered()),
            Ok(_) => {}
            Err(error) => failure.set_unless_recent(error),
        }
        drop(to_client.shutdown().await);
        std::future::pending::<()>().await;
    };
    let up = async {
        drop(copy(&mut from_client, &mut to_server).await);
        // Over TCP, a write to a server that has closed does not fail at once, such as the end of TLS.
        drop(copy(&mut from_client, &mut sink()).await);
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

async fn connect(server: &Endpoint) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((server.host().to_string(), server.port())).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Creates the error of a server that accepts a connection and closes it.
fn unanswered() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection without an answer")
}
