//! Starting a server in either engine, and ending it.

use std::path::Path;
use std::time::Duration;

use rds_iam_emulator_control::{LoginEvent, State};

use crate::accounts::{POLL, Root};
use crate::container::Container;
use crate::engine::Chosen;
use crate::error::Error;
use crate::process::Process;
use crate::run_folder::RunFolder;
use crate::tls::ServerIdentity;

/// How long a server may take until it answers. It takes about a second.
pub(crate) const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// How often another port is tried when somebody else takes the one that was free.
const PORT_TRIES: u32 = 5;

pub(crate) enum Server {
    Process(Process),
    Container(Container),
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
        let control = folder.control();
        state
            .write(&control)
            .and_then(|()| LoginEvent::create_record(&control))
            .map_err(Error::io("write into", &control))?;
        let server = match chosen {
            Chosen::Docker(docker) => Server::Container(Container::prepare(docker, &folder, plugin).await?),
            Chosen::Process => Server::Process(Process::prepare(&folder, plugin).await?),
        };
        folder.order_start()?;
        let ready = wait_until_ready(&folder).await;
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

/// Waits until root gets in.
pub(crate) async fn wait_until_ready(folder: &RunFolder) -> Result<(), Error> {
    let not_ready = |reason| Error::NotReady { server: "MySQL", reason, log: folder.log() };
    let ready = async {
        loop {
            if let Some(status) = folder.exit_status() {
                return Err(not_ready(format!("it ended with status {status}")));
            }
            if let Ok(root) = Root::connect(&folder.socket()).await {
                root.close().await;
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let timed_out = |_| Err(not_ready(format!("no answer within {} s", READY_TIMEOUT.as_secs())));
    tokio::time::timeout(READY_TIMEOUT, ready).await.unwrap_or_else(timed_out)
}

/// Ends the server and removes all that belonged to it.
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
