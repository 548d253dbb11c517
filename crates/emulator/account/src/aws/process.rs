//! Moto as processes: a parent that has imported it, which takes seconds, and its forks, which take milliseconds and are
//! an endpoint each. All end with this process, however it ends.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::command::{Command, tail};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

/// The time limit of the parent's start, which takes a few seconds, and of a fork's.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// The parent of this process's endpoints, started by the first of them.
static PARENT: Mutex<Option<Parent>> = Mutex::const_new(None);

/// A Python process with moto's modules, which forks for each connection to its socket.
struct Parent {
    child: Child,
    /// The child's standard input, never written to; its end ends the child.
    _stdin: Option<ChildStdin>,
    socket: PathBuf,
}

/// One endpoint. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) port: u16,
    /// Its end ends the process, and the process's end ends it.
    connection: UnixStream,
}

/// Starts an endpoint: `program` is `serve.py`, `options` are those of one endpoint, `key` is the access key that it
/// accepts, and its output is appended to the file `log`.
pub(super) async fn start(
    python: &Path,
    program: &Path,
    options: &[OsString],
    key: &str,
    log: &Path,
) -> Result<Process, Error> {
    let options = options.iter().map(|option| text(option)).collect::<Result<Vec<_>, _>>()?;
    let request = json!({ "options": options, "key": key, "log": text(log.as_os_str())? });
    let socket = {
        let mut parent = PARENT.lock().await;
        let runs = parent.as_mut().is_some_and(|parent| matches!(parent.child.try_wait(), Ok(None)));
        if !runs {
            *parent = Some(Parent::start(python, program).await?);
        }
        parent.as_ref().map(|parent| parent.socket.clone()).unwrap_or_default()
    };
    let answer = within(move || {
        let mut connection = UnixStream::connect(&socket)?;
        writeln!(connection, "{request}")?;
        let line = first_line(&connection)?;
        Ok((connection, line))
    });
    let not_ready = |reason: String| Error::NotReady { server: "moto", reason, log: read(log) };
    let (connection, line) = answer.await.map_err(|e| not_ready(e.to_string()))?;
    let port = line["port"].as_u64().and_then(|port| port.try_into().ok());
    let port = port.ok_or_else(|| not_ready("it ended, or named no port".into()))?;
    connection.set_nonblocking(true).map_err(|e| not_ready(e.to_string()))?;
    Ok(Process { port, connection })
}

/// Returns a part of a request, which is JSON.
fn text(part: &OsStr) -> Result<&str, Error> {
    part.to_str().ok_or_else(|| Error::Setting {
        setting: "the folder of the AWS API",
        value: part.to_string_lossy().into_owned(),
        problem: "it takes a name in UTF-8".into(),
    })
}

impl Parent {
    async fn start(python: &Path, program: &Path) -> Result<Self, Error> {
        let temporary = std::env::temp_dir();
        // The parent removes it as it ends: this process may have no time for that.
        let own = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("rds-iam-moto-").permissions(own).tempdir();
        let folder = folder.map_err(Error::io("make a folder in", &temporary))?;
        let (socket, log) = (folder.path().join("socket"), folder.path().join("log"));
        let log_writer = fs::File::create(&log).map_err(Error::io("write", &log))?;
        let moto = Command::new(python).bare().arg("-I").arg(program).arg("--forks").arg(&socket);
        let mut child = moto.spawn(Stdio::piped(), Stdio::piped(), log_writer)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let ready = within(move || stdout.map(first_line).unwrap_or(Ok(Value::Null))).await;
        if ready.is_ok_and(|line| line["ready"] == true) {
            let _removed_by_the_parent = folder.keep();
            return Ok(Self { child, _stdin: stdin, socket });
        }
        drop(stdin);
        // It may be hung; its error is more important than that of this.
        drop(child.kill().and_then(|()| child.wait()));
        Err(Error::NotReady {
            server: "moto",
            reason: "it ended before it was ready".into(),
            log: read(&log),
        })
    }
}

impl Process {
    /// Returns whether it ended unexpectedly.
    pub(super) fn has_ended(&self) -> bool {
        // After its port, it sends nothing.
        !matches!((&self.connection).read(&mut [0]), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended = self
            .connection
            .set_nonblocking(false)
            .and_then(|()| self.connection.shutdown(Shutdown::Write))
            .and_then(|()| self.connection.read_to_end(&mut Vec::new()));
        match ended {
            Err(e) if e.kind() != io::ErrorKind::NotConnected => {
                tracing::warn!("waiting for moto to end: {e}");
            }
            _ => {}
        }
    }
}

async fn within<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    match tokio::time::timeout(READY_TIMEOUT, spawn_blocking(work)).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(io::Error::other(panic)),
        Err(_) => Err(io::Error::other(format!("it took longer than {} s", READY_TIMEOUT.as_secs()))),
    }
}

/// Reads the line of JSON that a process prints once it is ready; null if it ended before that.
fn first_line(from: impl Read) -> io::Result<Value> {
    let mut line = String::new();
    BufReader::new(from).read_line(&mut line)?;
    Ok(serde_json::from_str(&line).unwrap_or_default())
}

fn read(log: &Path) -> String {
    tail(&fs::read_to_string(log).unwrap_or_else(|e| format!("(not readable: {e})")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;
    use crate::python::python;

    #[tokio::test]
    async fn a_folder_whose_name_is_no_text_is_refused_before_anything_is_started() {
        let nothing = Path::new("/nonexistent");
        let log = Path::new(OsStr::from_bytes(b"/\xff/log"));
        let error = start(nothing, nothing, &[], "key", log).await.unwrap_err();
        insta::assert_snapshot!(error, @r#"the folder of the AWS API is "/�/log", but it takes a name in UTF-8"#);
    }

    #[tokio::test]
    async fn the_log_has_the_reason_when_it_did_not_start() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("serve.py");
        fs::write(&program, "raise SystemExit('moto cannot be patched: a_patch')").unwrap();
        let started = Parent::start(&python().await.unwrap(), &program).await;
        insta::assert_snapshot!(started.map(|_| ()).unwrap_err(), @r"
        moto did not get ready: it ended before it was ready; its log ends:
        moto cannot be patched: a_patch
        ");
    }
}
