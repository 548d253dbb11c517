//! The local ports and sockets that clients connect to.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::{fmt, str::FromStr};

use rustix::process::geteuid;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// The address that clients connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are no other kinds of local address")]
pub enum Address {
    /// An IP address of this machine, and a port. Port 0 is any free one.
    Tcp(SocketAddr),
    /// The path of a Unix socket. Its file has mode 0600, and only processes of the same user and of root are served.
    Unix(PathBuf),
}

/// Reads `127.0.0.1:3306`, `[::1]:3306`, `3306` (on 127.0.0.1) or the absolute path of a Unix socket.
impl FromStr for Address {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        if text.starts_with('/') {
            return Ok(Self::Unix(text.into()));
        }
        if let Ok(port) = text.parse::<u16>() {
            return Ok(Self::Tcp((IpAddr::from([127, 0, 0, 1]), port).into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| ListenError::Address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// The error of a local address that can't be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The text is no address.
    // It is not repeated: text in the wrong place may have a password.
    #[error(
        "no address to listen on: write a port, 127.0.0.1:PORT, [::1]:PORT or the absolute path of a socket"
    )]
    Address,
    /// The address can be reached from other machines, on which every client would be logged in.
    #[error(
        "{0} can be reached from other machines, which would be logged in without a password. Listen on 127.0.0.1, \
         [::1] or a socket"
    )]
    NotLoopback(SocketAddr),
    /// Another process listens there.
    #[error("another process, or another listener of this gateway, listens on {0}: choose another address")]
    InUse(Address),
    /// The file at a socket's path is no socket.
    #[error("{} exists and is no socket: it is left as it is. Choose another path", .0.display())]
    NotASocket(PathBuf),
    /// The system does not open the address.
    #[error("can't listen on {address}{}", system_help(address, source))]
    System {
        /// The address.
        address: Address,
        /// The system's error.
        source: io::Error,
    },
}

/// Returns what to do about the usual errors of the system, or nothing.
fn system_help(address: &Address, source: &io::Error) -> &'static str {
    match (source.kind(), address) {
        (io::ErrorKind::NotFound, Address::Unix(_)) => ": create its folder first",
        (io::ErrorKind::PermissionDenied, Address::Unix(_)) => {
            ": choose a folder that this user may write to"
        }
        (io::ErrorKind::PermissionDenied, Address::Tcp(_)) => ": choose a port from 1024 on",
        (io::ErrorKind::AddrNotAvailable, Address::Tcp(_)) => ": it is no address of this machine",
        _ => "",
    }
}

/// An open address. Dropping it closes it, and removes a socket's file.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// A client's connection, which has not been read from.
#[derive(Debug)]
pub(crate) enum Client {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// Opens `address`.
    ///
    /// # Errors
    /// Returns [`ListenError`]; nothing is open then.
    pub(crate) async fn bind(address: &Address) -> Result<Self, ListenError> {
        let system = |source: io::Error| {
            let address = address.clone();
            if source.kind() == io::ErrorKind::AddrInUse {
                return ListenError::InUse(address);
            }
            ListenError::System { address, source }
        };
        match address {
            Address::Tcp(tcp) if !tcp.ip().is_loopback() => Err(ListenError::NotLoopback(*tcp)),
            Address::Tcp(tcp) => TcpListener::bind(tcp).await.map(Self::Tcp).map_err(system),
            Address::Unix(path) => {
                let _lock = lock_folder(path).map_err(system)?;
                remove_stale(path).await?;
                let (listener, file) = bind_private(path).map_err(system)?;
                Ok(Self::Unix(listener, file))
            }
        }
    }

    /// Returns the open address; its port is not 0.
    pub(crate) fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Self::Unix(_, file) => Ok(Address::Unix(file.path.clone())),
        }
    }

    /// Returns the next client. One of another user is disconnected: a process that runs as root opens the socket's file
    /// in spite of its mode.
    ///
    /// # Errors
    /// Returns the system's error, such as too many open files: try again after a pause.
    pub(crate) async fn accept(&self) -> io::Result<Client> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Client::Tcp(stream))
            }
            Self::Unix(listener, _) => loop {
                let (stream, _) = listener.accept().await?;
                let user = stream.peer_cred()?.uid();
                if may_connect(user, geteuid().as_raw()) {
                    return Ok(Client::Unix(stream));
                }
                tracing::warn!(user, "refused a client of another user of this machine");
            },
        }
    }
}

/// Returns whether a process of the user `peer` is served by one of `own`. Root could read the gateway's memory anyway.
fn may_connect(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

/// The file of a socket.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Its device and number: another process may have replaced the file.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            drop(fs::remove_file(&self.path));
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Locks the folder of `path` until the result is dropped: of two processes that find a socket left there, one removes it.
fn lock_folder(path: &Path) -> io::Result<fs::File> {
    let folder = fs::File::open(path.parent().unwrap_or(Path::new("/")))?;
    rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(folder)
}

/// Removes the socket that an ended process left. One that answers is left, and so is any other file.
async fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let Ok(file) = fs::symlink_metadata(path) else { return Ok(()) };
    if !file.file_type().is_socket() {
        return Err(ListenError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)
            .map_err(|source| ListenError::System { address: Address::Unix(path.to_owned()), source }),
        _ => Err(ListenError::InUse(Address::Unix(path.to_owned()))),
    }
}

/// Opens a socket whose file has mode 0600 from the moment at which it is at `path`: it is made beside it under another
/// name, and linked, which fails if there is a file.
fn bind_private(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let folder = tempfile::Builder::new().prefix(".rds-iam").tempdir_in(parent)?;
    let private = folder.path().join("s");
    let listener = UnixListener::bind(&private)?;
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600))?;
    fs::hard_link(&private, path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::ErrorKind::AddrInUse.into(),
        _ => error,
    })?;
    let file = SocketFile { path: path.to_owned(), identity: identity(path)? };
    Ok((listener, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(folder: &tempfile::TempDir) -> (Address, PathBuf) {
        let path = folder.path().join("app.sock");
        (Address::Unix(path.clone()), path)
    }

    #[test]
    fn an_address_is_a_port_an_address_with_port_or_a_path() {
        let tcp = |text: &str| Address::Tcp(text.parse().unwrap());
        assert_eq!("3306".parse::<Address>().unwrap(), tcp("127.0.0.1:3306"));
        assert_eq!("[::1]:0".parse::<Address>().unwrap(), tcp("[::1]:0"));
        assert_eq!("/run/app.sock".parse::<Address>().unwrap(), Address::Unix("/run/app.sock".into()));
        for wrong in ["", "app.sock", "localhost:3306", "70000", ":3306"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_socket_serves_its_own_user_and_root() {
        for (peer, own, served) in
            [(1000, 1000, true), (0, 1000, true), (1001, 1000, false), (1000, 0, false), (0, 0, true)]
        {
            assert_eq!(may_connect(peer, own), served, "{peer} at {own}");
        }
    }

    #[test]
    fn an_address_that_the_system_refuses_is_reported_with_what_to_do() {
        let help = |kind: io::ErrorKind, address: &str| {
            let source = io::Error::from(kind);
            ListenError::System { address: address.parse().unwrap(), source }.to_string()
        };
        assert!(help(io::ErrorKind::NotFound, "/run/no/app.sock").ends_with("create its folder first"));
        assert!(help(io::ErrorKind::PermissionDenied, "443").contains("a port from 1024 on"));
        assert!(help(io::ErrorKind::PermissionDenied, "/run/app.sock").contains("this user may write"));
        assert_eq!(help(io::ErrorKind::OutOfMemory, "3306"), "can't listen on 127.0.0.1:3306");
    }

    #[tokio::test]
    async fn only_loopback_is_opened() {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let refused = Listener::bind(&address.parse().unwrap()).await.unwrap_err();
            assert!(matches!(refused, ListenError::NotLoopback(_)), "{refused}");
        }
        let open = Listener::bind(&"0".parse().unwrap()).await.unwrap().address().unwrap();
        assert!(matches!(open, Address::Tcp(address) if address.port() != 0));
    }

    #[tokio::test]
    async fn a_socket_is_private_and_removed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let (address, path) = unix(&folder);
        let listener = Listener::bind(&address).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (client, accepted) = tokio::join!(UnixStream::connect(&path), listener.accept());
        assert!(client.is_ok() && matches!(accepted.unwrap(), Client::Unix(_)));
        drop(listener);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn two_processes_never_share_a_socket_and_one_that_was_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (address, path) = unix(&folder);
        let left = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(matches!(Listener::bind(&address).await, Err(ListenError::InUse(_))));
        drop(left);
        let replaced = Listener::bind(&address).await.unwrap();
        assert!(matches!(Listener::bind(&address).await, Err(ListenError::InUse(_))));
        drop(replaced);
    }

    #[tokio::test]
    async fn another_file_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (address, path) = unix(&folder);
        fs::write(&path, "text").unwrap();
        assert!(matches!(Listener::bind(&address).await, Err(ListenError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
    }

    #[tokio::test]
    async fn a_file_that_another_process_put_there_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (address, path) = unix(&folder);
        let listener = Listener::bind(&address).await.unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "text").unwrap();
        drop(listener);
        assert!(path.exists());
    }
}
