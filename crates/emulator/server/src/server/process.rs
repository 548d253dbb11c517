//! A database server as a child process: a supervising shell that starts it later, on an order through the run folder.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::command::Command;
use crate::error::Error;
use crate::host::free_port;
use crate::run_folder::RunFolder;
use crate::server::kind::Kind;

pub(crate) struct Process {
    /// The shell that runs the server and ends with it once the orders' FIFO closes.
    supervisor: Child,
    port: u16,
}

impl Process {
    /// Prepares the process; the server starts on an order through the folder.
    pub(crate) async fn prepare<E: Kind>(
        folder: &RunFolder,
        libraries: &E::Libraries,
        settings: &E::Settings,
    ) -> Result<Self, Error> {
        let port = free_port().map_err(Error::io("find a free port on", Path::new("127.0.0.1")))?;
        let command = E::process(folder, libraries, settings, port).await?;
        let run = folder.run();
        let mut shell = Command::new("sh")
            .bare()
            .user(E::process_user())
            .env(rds_iam_emulator_control::CONTROL_DIR_VARIABLE, folder.control());
        for (name, value) in E::environment(&run) {
            shell = shell.env(name, value);
        }
        let supervisor = shell.arg(run.join("supervise.sh")).arg(&run).args(command).spawn(
            Stdio::null(),
            Stdio::null(),
            Stdio::null(),
        )?;
        Ok(Self { supervisor, port })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns whether another program took the port between its choice and the server's start.
    pub(crate) fn port_was_taken(&self) -> bool {
        TcpListener::bind(("127.0.0.1", self.port)).is_err_and(|e| e.kind() == io::ErrorKind::AddrInUse)
    }

    /// Waits for the shell and the server to end, after the FIFO was closed.
    pub(crate) fn wait(mut self) {
        if let Err(e) = self.supervisor.wait() {
            tracing::warn!("waiting for the server to end: {e}");
        }
    }
}
