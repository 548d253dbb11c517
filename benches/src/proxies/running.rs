//! A program on the way to the database.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use crate::machine::kilobytes;

/// The most sessions of a program, more than any measurement opens.
pub(super) const MOST_SESSIONS: usize = 1_100;

/// The time limit for the start of a program: 30 seconds.
pub(super) const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The time limit for closed connections to leave a program: 10 seconds.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause between two checks of a program: 100 milliseconds.
const POLL: Duration = Duration::from_millis(100);

/// A running program, and its files. Dropping it ends the program, and removes the files.
pub(super) struct Program {
    child: Child,
    _folder: TempDir,
}

impl Program {
    /// Wraps a program that was just started, with the folder of its files.
    pub(super) fn new(child: Child, folder: TempDir) -> Self {
        Self { child, _folder: folder }
    }

    /// Waits until it accepts connections on a port of the loopback address.
    pub(super) async fn listening(&mut self, port: u16) -> anyhow::Result<()> {
        let listening = async {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
                if let Some(status) = self.child.try_wait()? {
                    bail!("it ended with {status}");
                }
                sleep(POLL).await;
            }
            anyhow::Ok(())
        };
        timeout(START_TIMEOUT, listening).await.context("it does not listen after 30 s")?
    }

    /// Returns the bytes of its memory that are no file's.
    ///
    /// Unlike `smaps_rollup`, this can be read of a program that changed its user.
    pub(super) fn memory(&self) -> anyhow::Result<u64> {
        Ok(kilobytes(&format!("/proc/{}/status", self.id()?), "RssAnon")? * 1024)
    }

    /// Returns the number of its open descriptors, once it no longer changes.
    pub(super) async fn descriptors(&self) -> anyhow::Result<usize> {
        let folder = format!("/proc/{}/fd", self.id()?);
        let count = || std::fs::read_dir(&folder).map(Iterator::count).context("counting descriptors");
        let settled = async {
            let mut last = count()?;
            loop {
                sleep(POLL).await;
                let now = count()?;
                if now == last {
                    return anyhow::Ok(now);
                }
                last = now;
            }
        };
        match timeout(SETTLE_TIMEOUT, settled).await {
            Ok(settled) => settled,
            Err(_) => count(),
        }
    }

    fn id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the program has ended")
    }
}

/// Creates a folder for a program's files.
pub(super) fn folder() -> anyhow::Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("rds-iam-bench-").tempdir()?)
}

/// Returns a path as an argument.
pub(super) fn path_text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
