//! TCP connections to an address that TLS does not verify, without Nagle's algorithm (docs/adr/0016-nodelay.md).
//!
//! sqlx verifies the host that it dials, and sqlx 0.9.0 does not set `TCP_NODELAY`, which costs 40 ms for each
//! connection and each statement that is not cached. It does accept a Unix socket, and verifies the host name that it
//! was given over that as well. So it connects to one of this process, which forwards the bytes over a TCP connection
//! to the address that was chosen, with the option set. TLS is between sqlx and the server.

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
use tokio::time::timeout;

/// The time limit for a TCP connection: 10 seconds. Callers give up earlier.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause after a failure to accept a connection: 50 milliseconds.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Forwards connections to one server. It starts when it is first used; dropping it refuses new connections and
/// leaves open ones.
#[derive(Default)]
pub(crate) struct Dialer {
    listening: Mutex<Option<Listening>>,
    /// The error of the latest TCP connection, if it failed: sqlx only observes that the socket was closed.
    failure: Arc<Mutex<Option<io::Error>>>,
    /// Whether the latest attempt to listen failed, and the path of [`Self::unusable`] was given out.
    unusable: AtomicBool,
}

struct Listening {
    socket: PathBuf,
    accepting: AbortHandle,
    /// The folder of the socket's file, if it has one.
    _folder: Option<Folder>,
}

impl Dialer {
    /// Returns the socket to connect to for a connection to `server`.
    ///
    /// # Errors
    /// Returns an error if this process may not listen on a socket.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub(crate) fn socket(&self, server: &Endpoint) -> io::Result<PathBuf> {
        let mut listening = lock(&self.listening);
        let socket = match &*listening {
            // The task ends with its runtime; a target may outlive that.
            Some(current) if !current.accepting.is_finished() => current.socket.clone(),
            _ => listening.insert(self.listen(server)?).socket.clone(),
        };
        self.unusable.store(false, Relaxed);
        Ok(socket)
    }

    fn listen(&self, server: &Endpoint) -> io::Result<Listening> {
        let (listener, socket, folder) = bind()?;
        let accepting =
            tokio::spawn(accept(listener, server.clone(), Arc::clone(&self.failure))).abort_handle();
        Ok(Listening { socket, accepting, _folder: folder })
    }

    /// Returns a path to which no connection succeeds, and keeps `error` as the reason.
    pub(crate) fn unusable(&self, error: &io::Error) -> &'static str {
        let message = format!("no local socket to dial through: {error}");
        *lock(&self.failure) = Some(io::Error::new(error.kind(), message));
        self.unusable.store(true, Relaxed);
        "/dev/null/no-socket"
    }

    /// Returns whether options made since the last success lead nowhere: make new ones, the cause may have passed.
    pub(crate) fn is_unusable(&self) -> bool {
        self.unusable.load(Relaxed)
    }

    /// Replaces the error of a failed connection by its cause if only the end of the socket was observed.
    pub(crate) fn explain(&self, error: sqlx::Error) -> sqlx::Error {
        let sqlx::Error::Io(observed) = &error else { return error };
        if !matches!(
            observed.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
                // The path of `unusable`.
                | io::ErrorKind::NotADirectory
        ) {
            return error;
        }
        match &*lock(&self.failure) {
            Some(failure) => sqlx::Error::Io(clone_error(failure)),
            None => error,
        }
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

/// Listens on a socket with a random name. On Linux it has no file: containers' file systems may be read-only.
fn bind() -> io::Result<Bound> {
    #[cfg(target_os = "linux")]
    if let Ok(bound) = bind_abstract() {
        return Ok(bound);
    }
    bind_file()
}

fn random_name() -> String {
    format!("rds-iam-sqlx-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}

#[cfg(target_os = "linux")]
fn bind_abstract() -> io::Result<Bound> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener as Listener};

    let name = random_name();
    let listener = Listener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
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

fn bind_file() -> io::Result<Bound> {
    let folder = Folder(std::env::temp_dir().join(random_name()));
    std::fs::DirBuilder::new().mode(0o700).create(&folder.0)?;
    let socket = folder.0.join("socket");
    Ok((UnixListener::bind(&socket)?, socket, Some(folder)))
}

async fn accept(listener: UnixListener, server: Endpoint, failure: Arc<Mutex<Option<io::Error>>>) {
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

/// Waits until the client has closed. A MySQL client sends nothing before the server does.
async fn closed(client: &UnixStream) {
    while client.readable().await.is_ok() {
        let read = client.try_read(&mut [0]);
        if !read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            return;
        }
    }
}

/// Forwards bytes both ways until the client closes: a MySQL client that has closed reads nothing more.
async fn forward(client: UnixStream, server: Endpoint, failure: Arc<Mutex<Option<io::Error>>>) {
    let connecting = TcpStream::connect((server.host().to_string(), server.port()));
    let connected = tokio::select! {
        connected = timeout(CONNECT_TIMEOUT, connecting) => connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        () = closed(&client) => return,
    };
    let connected = connected.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
    let server = match connected {
        Ok(server) => server,
        Err(error) => {
            *lock(&failure) = Some(error);
            return;
        }
    };
    *lock(&failure) = None;
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let down = async {
        drop(copy(&mut from_server, &mut to_client).await);
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn bytes_go_both_ways_until_the_client_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
        let dialer = Dialer::default();
        let mut client = UnixStream::connect(dialer.socket(&server).unwrap()).await.unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        let mut received = [0; 4];
        client.write_all(b"ping").await.unwrap();
        accepted.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"ping");
        accepted.write_all(b"pong").await.unwrap();
        client.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"pong");
        // What was sent before the end arrives.
        accepted.write_all(b"last").await.unwrap();
        drop(accepted);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"last");
        client.write_all(b"goodbye").await.unwrap();
        // The socket is the same one while its task lives.
        assert_eq!(dialer.socket(&server).unwrap(), dialer.socket(&server).unwrap());
    }

    #[tokio::test]
    async fn a_failure_to_connect_is_explained() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
        drop(listener);
        let dialer = Dialer::default();
        let mut client = UnixStream::connect(dialer.socket(&server).unwrap()).await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        let kind = |error| match dialer.explain(error) {
            sqlx::Error::Io(error) => error.kind(),
            other => panic!("{other}"),
        };
        let observed = |kind: io::ErrorKind| sqlx::Error::Io(kind.into());
        assert_eq!(kind(observed(io::ErrorKind::UnexpectedEof)), io::ErrorKind::ConnectionRefused);
        // Another error is its own explanation.
        assert_eq!(kind(observed(io::ErrorKind::TimedOut)), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_socket_that_can_t_be_had_is_the_reason() {
        let dialer = Dialer::default();
        let path = dialer.unusable(&io::Error::new(io::ErrorKind::PermissionDenied, "not here"));
        let observed = UnixStream::connect(path).await.unwrap_err();
        let explained = dialer.explain(sqlx::Error::Io(observed));
        assert!(explained.to_string().ends_with("no local socket to dial through: not here"), "{explained}");
        // The next options try again, and the reason is gone once a socket is there.
        assert!(dialer.is_unusable());
        dialer.socket(&"127.0.0.1:9".parse().unwrap()).unwrap();
        assert!(!dialer.is_unusable());
    }

    #[tokio::test]
    async fn the_file_of_a_socket_is_this_user_s_and_goes_with_it() {
        use std::os::unix::fs::MetadataExt as _;

        let (_listener, socket, folder) = bind_file().unwrap();
        UnixStream::connect(&socket).await.unwrap();
        let path = socket.parent().unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_target_outlives_a_runtime() {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string().parse().unwrap();
        let dialer = Dialer::default();
        let first = runtime().block_on(async { dialer.socket(&server).unwrap() });
        runtime().block_on(async {
            let second = dialer.socket(&server).unwrap();
            assert_ne!(first, second);
            UnixStream::connect(second).await.unwrap();
        });
    }

    /// Returns a port that accepts no connection: its backlog is full, so that a caller waits.
    async fn full_backlog() -> (std::net::SocketAddr, Vec<TcpStream>, TcpListener) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut open = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            open.push(stream.unwrap());
        }
        (address, open, listener)
    }

    #[tokio::test]
    async fn dialling_stops_when_the_client_closes() {
        let (address, _open, _listener) = full_backlog().await;
        let server: Endpoint = address.to_string().parse().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let forwarding = tokio::spawn(forward(theirs, server, Arc::default()));
        tokio::task::yield_now().await;
        assert!(!forwarding.is_finished());
        drop(ours);
        // Far below the minutes that the system waits.
        timeout(CONNECT_TIMEOUT / 2, forwarding).await.unwrap().unwrap();
    }
}
