//! Helpers: starts and ends the program `rds-iam-emulator account` under test, runs other programs, and polls for a
//! result.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::Result;
use crate::aws::Aws;

/// The time limit of each step; the first database on a machine has to be downloaded.
const WITHIN: Duration = Duration::from_secs(300);

/// A running account; dropping it kills it.
pub(crate) struct Account {
    pub(crate) child: Child,
    pub(crate) aws: Aws,
    pub(crate) registry: String,
    /// The file with the access key.
    pub(crate) credentials: PathBuf,
}

impl Account {
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let mut child = program(folder).spawn()?;
        let file = folder.join("account.json");
        let account = until("the account", || {
            if let Some(status) = child.try_wait()? {
                return Err(format!("it ended: {status}").into());
            }
            Ok(std::fs::read_to_string(&file).ok())
        });
        let account: Value = serde_json::from_str(&account.await?)?;
        assert_eq!(account["pid"], child.id());
        let text = |name: &str| account[name].as_str().map(str::to_owned).ok_or(format!("no {name}"));
        let aws = Aws::new(text("aws_endpoint_url")?, folder)?;
        Ok(Self { child, aws, registry: text("registry")?, credentials: folder.join("credentials") })
    }

    /// Signals the account to end, and waits until it has ended.
    pub(crate) fn end(&mut self) -> Result {
        run("kill", &["-TERM", &self.child.id().to_string()])?;
        let status = self.child.wait()?;
        assert!(status.success(), "{status}");
        Ok(())
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[expect(clippy::disallowed_methods, reason = "the program under test, started as a user would")]
pub(crate) fn program(folder: &Path) -> std::process::Command {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_rds-iam-emulator"));
    program.arg("account").arg("--dir").arg(folder).stdin(Stdio::null());
    program
}

/// Runs a program to its end, and returns its output.
#[expect(clippy::disallowed_methods, reason = "what a user would run beside the account")]
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = std::process::Command::new(program).args(arguments).output()?;
    if !output.status.success() {
        return Err(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Polls until `there` returns a value.
pub(crate) async fn until<T>(what: &str, mut there: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let waiting = async {
        loop {
            if let Some(found) = there()? {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(WITHIN, waiting)
        .await
        .unwrap_or_else(|_| Err(format!("timed out waiting for {what}").into()))
}
