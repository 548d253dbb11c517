//! Starts a MySQL server, as a container or a child process, waits until it answers, and ends it.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use rds_iam_emulator_control::{LoginEvent, State};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::accounts::{POLL, Root};
use super::container::Container;
use super::process::Process;
use crate::error::Error;
use crate::run_folder::RunFolder;
use crate::runtime::Chosen;
use crate::tls::ServerIdentity;

/// The time limit for a server to answer, which takes about a second.
pub(crate) const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// The number of ports tried while other programs take the free ones.
const PORT_TRIES: u32 = 5;

pub(crate) enum Server {
    Process(Process),
    Container(Container),
}

impl Server {
    /// Returns the port of the loopback address that clients connect to.
    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Process(process) => process.port(),
            Self::Container(container) => container.port(),
        }
    }
}

/// Starts a server and waits until it answers.
pub(crate) async fn start(
    chosen: &Chosen,
    plugin: &Path,
    identity: &ServerIdentity,
    state: &State,
) -> Result<(Server, RunFolder), Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        let folder = RunFolder::create(identity).await?;
        folder.write_state(state)?;
        let control = folder.control();
        LoginEvent::create_record(&control).map_err(Error::io("write into", &control))?;
        let server = match chosen {
            Chosen::Docker(docker) => Server::Container(Container::prepare(docker, &folder, plugin).await?),
            Chosen::Process => Server::Process(Process::prepare(&folder, plugin).await?),
        };
        folder.order_start()?;
        let ready = wait_until_ready(&folder, server.port()).await;
        let port_was_taken =
            ready.is_err() && matches!(&server, Server::Process(process) if process.port_was_taken());
        match ready {
            Ok(()) => return Ok((server, folder)),
            Err(e) => {
                end(server, folder);
                if !port_was_taken || tries == PORT_TRIES {
                    return Err(e);
                }
            }
        }
    }
}

/// Waits until root can log in, and a client gets an answer at this port of the loopback address.
pub(crate) async fn wait_until_ready(folder: &RunFolder, port: u16) -> Result<(), Error> {
    let not_ready = |reason| Error::NotReady { server: "MySQL", reason, log: folder.log() };
    let ready = async {
        loop {
            if let Some(status) = folder.exit_status() {
                return Err(not_ready(format!("it ended with status {status}")));
            }
            if let Ok(root) = Root::connect(&folder.socket()).await {
                root.close().await;
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        while !greets(port).await {
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    };
    let timed_out = |_| Err(not_ready(format!("no answer within {} s", READY_TIMEOUT.as_secs())));
    tokio::time::timeout(READY_TIMEOUT, ready).await.unwrap_or_else(timed_out)
}

/// Returns whether a server at this port sends a MySQL greeting. An open port proves little: Docker opens it
/// for a container, and closes the connections for as long as it does not reach the server in it.
async fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return false };
    stream.read(&mut [0]).await.is_ok_and(|read| read == 1)
}

/// Ends the server and removes everything that belonged to it.
pub(crate) fn end(server: Server, folder: RunFolder) {
    match server {
        Server::Process(process) => {
            let remains = folder.release();
            process.wait();
            drop(remains);
        }
        Server::Container(container) => {
            container.remove();
            drop(folder.release());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_port_that_only_closes_is_not_ready() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let closing = tokio::spawn(async move { listener.accept().await.map(|_| listener) });
        assert!(!greets(port).await);
        let listener = closing.await.unwrap().unwrap();
        let speaking = tokio::spawn(async move { listener.accept().await.unwrap().0.write_all(b"J").await });
        assert!(greets(port).await);
        speaking.await.unwrap().unwrap();
        assert!(!greets(port).await, "the port is closed");
    }
}
