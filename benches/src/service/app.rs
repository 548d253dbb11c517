//! Starts the app as a child process, measures the time until it listens and is ready, and reads its CPU time
//! and memory from `/proc`.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hyper::StatusCode;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use super::load;
use crate::machine::kilobytes;
use crate::program;

/// The time limit for the app to be ready, and for its pool to be warm: it takes a tenth of a second.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The poll interval.
const POLL: Duration = Duration::from_millis(1);

/// The number of connections that the app's pool keeps warm.
const WARM: u64 = 2;

/// The running app. Dropping it kills it.
pub(super) struct App {
    child: Child,
    pid: u32,
    /// The address that it listens on, `host:port`.
    pub(super) address: String,
    /// The management address, `host:port`.
    management: String,
    /// The time from the program's start until it listened.
    pub(super) listening_after: Duration,
    pub(super) ready_after: Duration,
}

impl App {
    /// Starts the program and returns when `/readyz` reports that the database has answered.
    pub(super) async fn start(program: &Path, environment: &[(&str, String)]) -> anyhow::Result<Self> {
        let started = Instant::now();
        let mut child = program::spawn(program, &[], environment)?;
        let starting = async {
            let (address, management) = addresses(&mut child).await?;
            let listening_after = started.elapsed();
            while load::get(&management, "/readyz").await?.0 != StatusCode::OK {
                tokio::time::sleep(POLL).await;
            }
            anyhow::Ok((address, management, listening_after, started.elapsed()))
        };
        let ready = tokio::time::timeout(TIMEOUT, starting).await;
        let (address, management, listening_after, ready_after) =
            ready.context("the app is not ready after 30 s")??;
        let pid = child.id().context("the app has ended")?;
        Ok(Self { child, pid, address, management, listening_after, ready_after })
    }

    /// Returns when the pool has opened the connections that it keeps.
    pub(super) async fn until_warm(&self) -> anyhow::Result<()> {
        let warming = async {
            loop {
                let (status, body) = load::get(&self.management, "/api/identity").await?;
                ensure!(status == StatusCode::OK, "/api/identity answered {status}");
                let identity: Value = serde_json::from_slice(&body)?;
                if identity["pool"]["open"].as_u64().is_some_and(|open| open >= WARM) {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(TIMEOUT, warming).await.context("the app's pool is not warm after 30 s")?
    }

    /// Returns the memory in RAM now, in units of 1,000,000 bytes.
    pub(super) fn resident_mb(&self) -> anyhow::Result<f64> {
        self.megabytes("VmRSS")
    }

    /// Returns the maximum of the memory in RAM since the start.
    pub(super) fn peak_resident_mb(&self) -> anyhow::Result<f64> {
        self.megabytes("VmHWM")
    }

    fn megabytes(&self, key: &str) -> anyhow::Result<f64> {
        Ok(kilobytes(&format!("/proc/{}/status", self.pid), key)? as f64 * 1024.0 / 1e6)
    }

    /// Returns the CPU time so far, in user mode and in the kernel.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        let file = format!("/proc/{}/stat", self.pid);
        let text = std::fs::read_to_string(&file).with_context(|| format!("reading {file}"))?;
        let ticks = ticks(&text).with_context(|| format!("{file} has no CPU times"))?;
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// Kills the app, and waits until it has ended.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("ending the app")
    }
}

/// Returns the addresses that the app logs once it listens, the public one and the management one. Later log
/// lines are read and dropped.
async fn addresses(child: &mut Child) -> anyhow::Result<(String, String)> {
    let mut log = BufReader::new(child.stdout.take().context("the app's log was taken before")?).lines();
    let mut lines = Vec::new();
    while let Some(line) = log.next_line().await? {
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        let address = |field: &str| event[field].as_str().map(str::to_owned);
        if event["message"] == "serving"
            && let Some(addresses) = address("address").zip(address("management"))
        {
            tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
            return Ok(addresses);
        }
        lines.push(line);
    }
    bail!("the app ended before it listened. Its log:\n{}", lines.join("\n"))
}

/// Returns `utime` + `stime`, fields 14 and 15 of `/proc/<pid>/stat` (proc(5)). The second field is the
/// program's name in parentheses, which may contain any character.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_times_are_found_behind_any_name() {
        let stat = "42 (a ) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 17 5 3 4 20 0 3 0 1 2 3";
        assert_eq!(ticks(stat), Some(22));
        assert_eq!(ticks("42 (a) S 1"), None);
    }
}
