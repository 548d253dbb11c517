//! Prepares the MySQL server as a child process, from Debian's packages: its data folder, and a supervising shell
//! that starts it later, on an order through the run folder.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use sha2::{Digest, Sha256};
use tracing::info;

use super::debian_root::{DebianRoot, PLUGINS};
use super::server;
use crate::command::Command;
use crate::error::Error;
use crate::host::cache::Entry;
use crate::host::file::copy_folder;
use crate::host::free_port;
use crate::run_folder::{Paths, RunFolder};

pub(crate) struct Process {
    /// The shell that runs the server and ends with it once the orders' FIFO closes.
    supervisor: Child,
    port: u16,
}

impl Process {
    /// Prepares the process; the server starts on an order through the folder.
    pub(crate) async fn prepare(folder: &RunFolder, plugin: &Path) -> Result<Self, Error> {
        let tree = DebianRoot::from_cache().await?;
        let data = folder.private("data");
        copy_folder(&data_template(&tree).await?, &data)?;
        let plugins = folder.private("plugin");
        copy_folder(&tree.root().join(PLUGINS), &plugins)?;
        let plugin_name = plugin.file_name().unwrap_or_default();
        let link = plugins.join(plugin_name);
        std::os::unix::fs::symlink(plugin, &link).map_err(Error::io("link", &link))?;

        let port = free_port().map_err(Error::io("find a free port on", Path::new("127.0.0.1")))?;
        let run = folder.run();
        let paths = Paths { run: &run, data: &data, plugins: &plugins };
        let supervisor = Command::new("sh")
            .bare()
            .env(rds_iam_emulator_control::CONTROL_DIR_VARIABLE, folder.control())
            .arg(run.join("supervise.sh"))
            .arg(&run)
            .args(tree.server())
            .args(server::run(&paths, &plugin_name.to_string_lossy(), "127.0.0.1", port))
            .args(as_root(&run))
            .spawn(Stdio::null(), Stdio::null(), Stdio::null())?;
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

/// Returns a newly created data folder in the cache, to be copied for each server.
async fn data_template(tree: &DebianRoot) -> Result<PathBuf, Error> {
    // Its own path is part of the command, but that is the same for the same name.
    let recipe = server::initialise(Path::new("data"), Path::new("plugin")).join(" ");
    let digest = hex::encode(&Sha256::digest(recipe)[..6]);
    let entry = Entry::lock(&format!("mysql-data-{}-{digest}", tree.version)).await?;
    if let Some(data) = entry.existing() {
        return Ok(data.to_owned());
    }
    info!("initialising a data folder");
    let scratch = entry.begin()?;
    let data = scratch.join("data");
    let server = tree.server();
    let (program, arguments) = server.split_first().unwrap_or((&server[0], &[]));
    Command::new(program)
        .bare()
        .args(arguments)
        .args(server::initialise(&data, &tree.root().join(PLUGINS)))
        .args(as_root(&scratch))
        .output()
        .await?;
    let finished = entry.finish(&data)?;
    fs::remove_dir_all(&scratch).map_err(Error::io("remove", &scratch))?;
    Ok(finished)
}

/// Returns the argument that the server needs when it runs as root. This process created `path`, so its owner
/// is this process's user.
fn as_root(path: &Path) -> Option<&'static str> {
    fs::metadata(path).is_ok_and(|m| m.uid() == 0).then_some(server::AS_ROOT)
}
