//! Starts and stops the app as a child process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

use crate::http;
use crate::program::{self, Environment};

/// The time limit for the app to serve, and to end.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The poll interval.
const POLL: Duration = Duration::from_millis(50);

/// The running app. Dropping it kills it; [`end`](Self::end) lets it finish.
pub(crate) struct App {
    child: Child,
    log: PathBuf,
    pub(crate) url: String,
    /// The URL of probes and the identity.
    pub(crate) management: String,
}

impl App {
    /// Starts the app and waits until it is ready.
    pub(crate) async fn start(program: &Path, environment: &Environment, log: &Path) -> anyhow::Result<Self> {
        let child = program::start(program, environment, log)?;
        let mut app = Self { child, log: log.into(), url: String::new(), management: String::new() };
        let ready = async {
            (app.url, app.management) = app.addresses().await?;
            let probe = format!("{}/readyz", app.management);
            while !http::json(&probe).await.is_ok_and(|ready| ready["ready"] == true) {
                app.check_alive()?;
                tokio::time::sleep(POLL).await;
            }
            anyhow::Ok(())
        };
        let ready = tokio::time::timeout(TIMEOUT, ready).await.context("the app is not ready after 30 s");
        match ready.and_then(|ready| ready) {
            Ok(()) => Ok(app),
            Err(error) => Err(error.context(format!("the app's log ends with:\n{}", app.log_tail()))),
        }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Returns the app's log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns the app's answer about its database identity.
    pub(crate) async fn identity(&self) -> anyhow::Result<serde_json::Value> {
        http::json(&format!("{}/api/identity", self.management)).await
    }

    /// Signals the app to end and waits until it has ended.
    pub(crate) async fn end(mut self) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid
            && kill_process(pid, Signal::TERM).is_ok()
        {
            // Dropping it kills it, if it takes longer.
            drop(tokio::time::timeout(TIMEOUT, self.child.wait()).await);
        }
    }

    /// Returns the logged addresses once the app serves: the public one and the management one.
    async fn addresses(&mut self) -> anyhow::Result<(String, String)> {
        loop {
            let line = |line: &str| {
                let event: serde_json::Value = serde_json::from_str(line).ok()?;
                let url = |field: &str| event[field].as_str().map(|address| format!("http://{address}"));
                (event["message"] == "serving").then(|| url("address").zip(url("management")))?
            };
            if let Some(urls) = self.log().lines().find_map(line) {
                return Ok(urls);
            }
            self.check_alive()?;
            tokio::time::sleep(POLL).await;
        }
    }

    fn check_alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the app ended with {status}"),
            None => Ok(()),
        }
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}
