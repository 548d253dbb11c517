//! The folder that one running server and the emulator share.
//!
//! ```text
//! <temporary folder, only the owner may enter>
//! └── run        mounted into the container, where there is one
//!     ├── control/     what plugin and shim read and write (see rds-iam-emulator-control)
//!     ├── tls/         the server's certificate and key
//!     ├── orders       FIFO to the supervising shell
//!     ├── pid, exit    written by the supervising shell
//!     ├── server.log
//!     └── mysqld.sock  MySQL's socket, the only way in for root (PostgreSQL's: .s.PGSQL.<port>)
//! ```

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};

use rds_iam_emulator_control::State;
use tempfile::TempDir;

use crate::command::{Command, tail};
use crate::error::Error;
use crate::host::{file, shared};
use crate::tls::ServerIdentity;

/// The path of `run` in a container.
pub(crate) const IN_CONTAINER: &str = "/rds-iam/run";

/// The shell script that runs the server; see its own comment.
const SUPERVISE: &str = include_str!("supervise.sh");

#[expect(unnameable_types, reason = "part of a sealed trait")]
pub struct RunFolder {
    /// The FIFO; closing it ends the server. Opened for reading too, so that opening does not wait for the
    /// shell.
    orders: File,
    outer: Outer,
}

/// The temporary folder around everything. Dropping it removes the folder. If this process ends without that, a shell
/// removes it as soon as its standard input closes.
pub(crate) struct Outer {
    dir: TempDir,
    stdin: Option<ChildStdin>,
    shell: Child,
}

/// Shell script: removes the given folder once standard input closes; a server that is ending may still be
/// writing to it.
const REMOVE_AT_THE_END: &str =
    "while read -r _; do :; done; for try in 1 2 3 4 5; do rm -rf -- \"$1\" && exit; sleep 1; done";

impl Outer {
    fn create() -> Result<Self, Error> {
        // Independent of the umask: inside, many files are accessible to the server's user.
        let own = Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().prefix("rds-iam-").permissions(own).tempdir();
        let dir = dir.map_err(Error::io("make a folder in", &std::env::temp_dir()))?;
        let mut shell = Command::new("sh")
            .bare()
            .args(["-c", REMOVE_AT_THE_END, "sh"])
            .arg(dir.path())
            .spawn(Stdio::piped(), Stdio::null(), Stdio::null())?;
        Ok(Self { dir, stdin: shell.stdin.take(), shell })
    }
}

impl Drop for Outer {
    fn drop(&mut self) {
        drop(self.stdin.take());
        if let Err(e) = self.shell.wait() {
            tracing::warn!("waiting for {} to be removed: {e}", self.dir.path().display());
        }
    }
}

impl RunFolder {
    /// Creates the folder. `owner` is the user of a server that is a child process, unless it is this process's own.
    pub(crate) async fn create(identity: &ServerIdentity, owner: Option<u32>) -> Result<Self, Error> {
        // Only the owner may enter it, so its contents can be accessible to the server's user.
        let outer = Outer::create()?;
        if owner.is_some() {
            let dir = outer.dir.path();
            shared::check_enterable("TMPDIR", dir.parent().unwrap_or(dir))?;
            std::os::unix::fs::chown(dir, owner, owner).map_err(Error::io("give the server", dir))?;
        }
        let run = outer.dir.path().join("run");
        for dir in [run.clone(), run.join("control"), run.join("tls")] {
            fs::create_dir(&dir).map_err(Error::io("create", &dir))?;
            fs::set_permissions(&dir, Permissions::from_mode(0o777)).map_err(Error::io("open up", &dir))?;
        }
        let write = |name: &str, text: &str| file::replace(&run.join(name), text, 0o644);
        write("supervise.sh", SUPERVISE)?;
        write("tls/ca.pem", identity.ca_pem())?;
        write("tls/cert.pem", identity.certificate_pem())?;
        write("tls/key.pem", identity.key_pem())?;

        let fifo = run.join("orders");
        Command::new("mkfifo").args(["-m", "0666"]).arg(&fifo).output().await?;
        let orders =
            OpenOptions::new().read(true).write(true).open(&fifo).map_err(Error::io("open", &fifo))?;
        Ok(Self { orders, outer })
    }

    /// Returns the path of a folder beside `run`, which is not mounted into a container.
    pub(crate) fn private(&self, name: &str) -> PathBuf {
        self.outer.dir.path().join(name)
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.outer.dir.path().join("run")
    }

    pub(crate) fn control(&self) -> PathBuf {
        self.run().join("control")
    }

    /// Replaces the server's state. The server may run as another user, so all users may read the file.
    pub(crate) fn write_state(&self, state: &State) -> Result<(), Error> {
        let path = self.control().join(State::FILE);
        let text = state.to_json().map_err(Error::io("write", &path))?;
        file::replace(&path, &text, 0o644)
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.run().join("tls/ca.pem")
    }

    /// Orders the shell to start the server.
    pub(crate) fn order_start(&self) -> Result<(), Error> {
        for name in ["pid", "exit"] {
            let path = self.run().join(name);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &path)(e));
                }
                _ => {}
            }
        }
        self.order("start\n")
    }

    /// Orders the shell to kill the server.
    pub(crate) fn order_kill(&self) -> Result<(), Error> {
        self.order("kill\n")
    }

    fn order(&self, order: &str) -> Result<(), Error> {
        (&self.orders).write_all(order.as_bytes()).map_err(Error::io("write", &self.run().join("orders")))
    }

    /// Returns the server's exit status, once it has ended.
    pub(crate) fn exit_status(&self) -> Option<String> {
        let text = fs::read_to_string(self.run().join("exit")).ok()?;
        text.ends_with('\n').then(|| text.trim().to_owned())
    }

    /// Returns the last lines of the server's log.
    pub(crate) fn log(&self) -> String {
        tail(&fs::read_to_string(self.run().join("server.log")).unwrap_or_default())
    }

    /// Closes the FIFO, which ends the server, and returns the folder, to be removed after that.
    pub(crate) fn release(self) -> Outer {
        self.outer
    }
}
