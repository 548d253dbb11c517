//! The questions that a machine answers, and this machine's answers.

use std::fs;
use std::path::Path;

use rds_iam_checks::infra::terraform;
use rds_iam_process::engine;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::tools::{self, Tool, reach};
use rds_iam_process::workspace::Workspace;

/// A host of the registry that the official image of MySQL is pulled from.
const OFFICIAL_IMAGES: &str = "https://docker.io/v2/";

/// A source outside this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The package sources of this machine's apt.
    Packages,
    /// pip's package index.
    Python,
    /// The registry of official images.
    Images,
    /// The release archive of a tool.
    Release(Tool),
}

/// A machine that can be asked what it has.
pub(crate) trait Machine {
    /// Returns what a program prints to standard output; none where it is missing or fails.
    fn ask(&self, program: &str, args: &[&str]) -> Option<String>;
    /// Returns the version of the Docker engine that answers.
    fn docker_engine(&self) -> Option<String>;
    /// Returns the pinned tools of lint and pipeline.
    fn tools(&self) -> Vec<tools::Row>;
    /// Returns the path of the pinned cargo-deny.
    fn cargo_deny(&self) -> Option<String>;
    /// Returns the source of Terraform's AWS provider, or why it can't be had.
    fn terraform_provider(&self) -> Result<String, String>;
    /// Returns the tools of `cargo xtask test` that are not here yet; actionlint where its fork is not here
    /// either.
    fn missing_tools(&self) -> Vec<Tool>;
    /// Returns whether the cache has an entry whose name begins so.
    fn is_cached(&self, name: &str) -> bool;
    /// Why what would be fetched from there can't be reached; nothing where it can.
    fn unreachable(&self, source: Source) -> Option<String>;
    /// Returns whether a Docker client on `PATH` builds with BuildKit.
    fn builds_images(&self) -> bool;
    /// Returns whether the workspace's programs are built.
    fn is_built(&self) -> bool;
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
        let terraform;
        let program = if program == "terraform" {
            // One in the cache comes first.
            terraform = tools::terraform_program(self.workspace);
            terraform.as_str()
        } else {
            program
        };
        let cmd = Cmd::new(program, &self.workspace.root, "").args(args.iter().copied());
        // Missing or failing is the same here: it cannot be used, and the need says what to do.
        self.runner.ask(&cmd).ok()
    }

    fn docker_engine(&self) -> Option<String> {
        engine::docker_engine(self.runner).ok()
    }

    fn tools(&self) -> Vec<tools::Row> {
        tools::rows(self.workspace, self.runner)
    }

    fn cargo_deny(&self) -> Option<String> {
        tools::find_cargo_deny(self.workspace, self.runner)
    }

    fn terraform_provider(&self) -> Result<String, String> {
        terraform::find_provider(self.workspace).map_err(|error| error.to_string())
    }

    fn missing_tools(&self) -> Vec<Tool> {
        tools::missing_for_tests(self.workspace, self.runner)
    }

    fn is_cached(&self, name: &str) -> bool {
        let entries = fs::read_dir(&self.workspace.cache).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .any(|entry| entry.starts_with(name) && !entry.ends_with(".unfinished"))
    }

    fn unreachable(&self, source: Source) -> Option<String> {
        let (workspace, runner) = (self.workspace, self.runner);
        match source {
            Source::Packages => reach::packages(workspace, runner),
            Source::Python => reach::python_index(workspace, runner),
            Source::Images => reach::host(OFFICIAL_IMAGES, workspace, runner),
            Source::Release(tool) => tools::reach_release(tool, workspace, runner),
        }
        .err()
    }

    fn builds_images(&self) -> bool {
        engine::building_client().is_some()
    }

    fn is_built(&self) -> bool {
        self.workspace.target.join("debug/rds-iam-demo").is_file()
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
