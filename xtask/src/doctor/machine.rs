//! What is asked of a machine, and this machine's answers.

use std::fs;
use std::path::Path;

use crate::engine;
use crate::infra::terraform;
use crate::runner::{Cmd, Runner};
use crate::tools;
use crate::workspace::Workspace;

/// A machine that can be asked what it has.
pub(crate) trait Machine {
    /// What a program prints to standard output; none where it is missing or fails.
    fn ask(&self, program: &str, args: &[&str]) -> Option<String>;
    /// The version of the Docker engine that answers.
    fn docker_engine(&self) -> Option<String>;
    /// The pinned tools of lint and pipeline.
    fn tools(&self) -> Vec<tools::Row>;
    /// Where the pinned cargo-deny is.
    fn cargo_deny(&self) -> Option<String>;
    /// Where Terraform's AWS provider comes from; none where the mirror that is named has none.
    fn terraform_provider(&self) -> Option<String>;
    /// Bytes free where builds and caches go (the lesser, where those are two disks).
    fn free_disk(&self) -> Option<u64>;
    /// Bytes of memory that programs can still have.
    fn free_memory(&self) -> Option<u64>;
    /// Operating system and architecture.
    fn platform(&self) -> (&'static str, &'static str);
}

/// The machine that this runs on.
#[derive(Debug)]
pub(crate) struct ThisMachine<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) runner: Runner,
}

impl Machine for ThisMachine<'_> {
    fn ask(&self, program: &str, args: &[&str]) -> Option<String> {
        let cmd = Cmd::new(program, &self.workspace.root, "").args(args.iter().copied());
        // Missing or failing is the same here: it cannot be used, and the need says what to do.
        self.runner.ask(&cmd).ok()
    }

    fn docker_engine(&self) -> Option<String> {
        engine::docker_server_version(self.runner)
    }

    fn tools(&self) -> Vec<tools::Row> {
        tools::rows(self.workspace, self.runner)
    }

    fn cargo_deny(&self) -> Option<String> {
        tools::find_cargo_deny(self.workspace, self.runner)
    }

    fn terraform_provider(&self) -> Option<String> {
        terraform::find_provider().ok()
    }

    fn free_disk(&self) -> Option<u64> {
        [&self.workspace.target, &self.workspace.cache]
            .into_iter()
            .map(|folder| self.free_at(folder))
            .min()?
    }

    fn free_memory(&self) -> Option<u64> {
        let kilobytes = fs::read_to_string("/proc/meminfo").ok()?.lines().find_map(|line| {
            line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        })?;
        Some(kilobytes * 1024)
    }

    fn platform(&self) -> (&'static str, &'static str) {
        (std::env::consts::OS, std::env::consts::ARCH)
    }
}

impl ThisMachine<'_> {
    /// Bytes free at a folder, or where it would be made.
    fn free_at(&self, folder: &Path) -> Option<u64> {
        let existing = folder.ancestors().find(|path| path.exists())?;
        let answer = self.ask("df", &["-Pk", &existing.display().to_string()])?;
        let kilobytes: u64 = answer.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
        Some(kilobytes * 1024)
    }
}
