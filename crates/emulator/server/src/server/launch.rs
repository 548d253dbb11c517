//! Starts a database server, as a container or a child process, waits until it answers, and ends it.

use std::time::Duration;

use rds_iam_emulator_control::{LoginEvent, State};

use crate::error::Error;
use crate::run_folder::RunFolder;
use crate::runtime::Chosen;
use crate::server::container::Container;
use crate::server::kind::Kind;
use crate::server::kind::launch::Root as _;
use crate::server::process::Process;
use crate::tls::ServerIdentity;

/// The time limit for a server to answer, which takes about a second.
pub(crate) const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// The interval at which the server is polled.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// The number of ports tried while other programs take the free ones.
const PORT_TRIES: u32 = 5;

/// A server that was started, in one of the runtimes.
pub(crate) enum Started {
    Process(Process),
    Container(Container),
}

impl Started {
    /// Returns the port of the loopback address that clients connect to.
    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Process(process) => process.port(),
            Self::Container(container) => container.port(),
        }
    }

    /// Returns the port that the server itself listens on.
    pub(crate) fn inner_port<E: Kind>(&self) -> u16 {
        match self {
            Self::Process(process) => process.port(),
            Self::Container(_) => E::PORT,
        }
    }
}

/// Starts a server and waits until it answers.
pub(crate) async fn start<E: Kind>(
    chosen: &Chosen,
    libraries: &E::Libraries,
    settings: &E::Settings,
    identity: &ServerIdentity,
    state: &State,
) -> Result<(Started, RunFolder), Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        let owner = match chosen {
            Chosen::Docker(_) => None,
            Chosen::Process => E::process_user(),
        };
        let folder = RunFolder::create(identity, owner).await?;
        folder.write_state(state)?;
        let control = folder.control();
        LoginEvent::create_record(&control).map_err(Error::io("write into", &control))?;
        let server = match chosen {
            Chosen::Docker(docker) => {
                Started::Container(Container::prepare::<E>(docker, &folder, libraries, settings).await?)
            }
            Chosen::Process => Started::Process(Process::prepare::<E>(&folder, libraries, settings).await?),
        };
        folder.order_start()?;
        let ready = wait_until_ready::<E>(&folder, &server).await;
        let port_was_taken =
            ready.is_err() && matches!(&server, Started::Process(process) if process.port_was_taken());
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

/// Waits until root can log in, and a client gets an answer at the server's port of the loopback address.
pub(crate) async fn wait_until_ready<E: Kind>(folder: &RunFolder, server: &Started) -> Result<(), Error> {
    let ready = async {
        loop {
            if let Some(status) = folder.exit_status() {
                return Err(not_ready::<E>(folder, format!("it ended with status {status}")));
            }
            if let Ok(mut root) = E::Root::connect(&folder.run(), server.inner_port::<E>()).await {
                if let Some(problem) = E::verify(&mut root, &folder.run()).await? {
                    return Err(not_ready::<E>(folder, problem));
                }
                root.close().await;
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        while !E::answers(server.port()).await {
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    };
    let timed_out =
        |_| Err(not_ready::<E>(folder, format!("no answer within {} s", READY_TIMEOUT.as_secs())));
    tokio::time::timeout(READY_TIMEOUT, ready).await.unwrap_or_else(timed_out)
}

/// Returns the error of a server that does not become ready.
fn not_ready<E: Kind>(folder: &RunFolder, reason: String) -> Error {
    Error::NotReady { server: E::NAME, reason, log: folder.log() }
}

/// Ends the server and removes everything that belonged to it.
pub(crate) fn end(server: Started, folder: RunFolder) {
    match server {
        Started::Process(process) => {
            let remains = folder.release();
            process.wait();
            drop(remains);
        }
        Started::Container(container) => {
            container.remove();
            drop(folder.release());
        }
    }
}
