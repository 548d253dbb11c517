//! A socket that leads to a target with TLS: sqlx has no option for the address beside the name that it verifies, but one for a
//! socket.

use std::path::{Path, PathBuf};

use tokio::net::{TcpStream, UnixListener};
use tokio::task::AbortHandle;

use crate::Result;
use crate::sites::Site;

/// The relay of one run; none for a target without TLS.
pub(super) struct Relay {
    socket: PathBuf,
    accepting: Option<AbortHandle>,
}

impl Relay {
    /// The port that PostgreSQL's driver has to be given for the name of the file.
    pub(super) const PORT: u16 = 5432;
    const FILE: &str = ".s.PGSQL.5432";

    pub(super) fn start(site: &Site, folder: &Path) -> Result<Self> {
        let mut relay = Self { socket: folder.join(Self::FILE), accepting: None };
        if site.tls.is_some() {
            let (listener, to) = (UnixListener::bind(&relay.socket)?, (site.host.clone(), site.port));
            let accepting = tokio::spawn(async move {
                while let Ok((mut client, _)) = listener.accept().await {
                    let to = to.clone();
                    tokio::spawn(async move {
                        if let Ok(mut server) = TcpStream::connect(to).await {
                            // The client notices an end, and reports it.
                            drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
                        }
                    });
                }
            });
            relay.accepting = Some(accepting.abort_handle());
        }
        Ok(relay)
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
            // Another round listens there again.
            drop(std::fs::remove_file(&self.socket));
        }
    }
}
