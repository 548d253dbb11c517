//! A launched machine, which emulates an EC2 instance: its start script, container, ports and folder, before and
//! while it is in service; forwards ports to it and ends it.

use std::path::PathBuf;
use std::process::Child;

use rds_iam_emulator_server::command::Command;
use rds_iam_emulator_server::host::file::remove;
use tracing::warn;

use crate::forward::Forward;

/// A machine that was launched.
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) folder: PathBuf,
    pub(super) docker: PathBuf,
    pub(super) container: String,
    /// The ports in place of those in the module's scripts.
    pub(super) port: u16,
    pub(super) management_port: u16,
    pub(super) health_path: String,
    /// The start script, which is replaced by the container's Docker client.
    pub(super) start: Child,
}

/// A machine that is not in service yet.
pub(super) struct Launching {
    pub(super) instance: Instance,
    pub(super) ready_script: PathBuf,
    pub(super) environment: Vec<(&'static str, String)>,
    /// The script that completes the hook, once there is a hook to complete.
    pub(super) ready: Option<Child>,
    /// The end of the start script, if app-ready was given no more time for it.
    pub(super) ended: Option<String>,
    /// The offset of its part of the log, in bytes.
    pub(super) log_from: usize,
}

impl Launching {
    pub(super) async fn end(mut self) {
        self.ready.iter_mut().for_each(end_script);
        self.instance.end().await;
    }
}

impl Instance {
    /// Forwards the public ports to this machine.
    pub(super) fn take_over(&self, [app, management]: &[Forward; 2]) {
        app.lead_to(self.port);
        management.lead_to(self.management_port);
    }

    /// Ends the machine, and removes its container and folder.
    pub(super) async fn end(mut self) {
        end_script(&mut self.start);
        let removed = Command::new(&self.docker).args(["rm", "--force", &self.container]).output().await;
        if let Err(e) = removed {
            warn!("{}: {e}", self.id);
        }
        if let Err(e) = remove(&self.folder) {
            warn!("{}: {e}", self.id);
        }
    }
}

/// Ends a running script.
pub(super) fn end_script(script: &mut Child) {
    // It may have ended in the meantime.
    drop(script.kill());
    drop(script.wait());
}
