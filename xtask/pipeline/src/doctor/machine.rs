//! The trait `Machine`, which queries a machine's programs, tools, download sources, disk and memory, and its
//! implementation for this machine.

use std::fs;
use std::path::Path;

use rds_iam_checks::infra::terraform;
use rds_iam_process::engine;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::tools::{self, CargoTool, Tool, reach};
use rds_iam_process::workspace::Workspace;

/// A host of the registry with the official image of MySQL.
const OFFICIAL_IMAGES: &str = "https://docker.io/v2/";

/// The time zone that a PostgreSQL server needs in order to start, by its path in Debian's package tzdata.
const TIME_ZONE: &str = "/usr/share/zoneinfo/UTC";

/// The newest version of PostgreSQL that the emulator runs, which is also that of its `psql`.
pub(super) const NEWEST_POSTGRES: &str = "18";

/// The environment variable that selects another version.
const POSTGRES_VARIABLE: &str = "RDS_IAM_EMULATOR_POSTGRES";

/// The cache of the servers that root runs as another user, which can't enter root's home: the emulator's.
const CACHE_OF_ROOT: &str = "/var/cache/rds-iam";

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

/// A machine that can be queried.
pub(crate) trait Machine {
    /// Returns a program's standard output; `None` if it is missing or fails.
    fn ask(&self, program: &str, args: &[&str]) -> Option<String>;
    /// Returns the version of the Docker engine that answers.
    fn docker_engine(&self) -> Option<String>;
    /// Returns the pinned tools of lint and pipeline.
    fn tools(&self) -> Vec<tools::Row>;
    /// Returns the path of the pinned version of a subcommand of cargo.
    fn cargo_tool(&self, tool: &CargoTool) -> Option<String>;
    /// Returns the source of Terraform's AWS provider, or the reason why there is none.
    fn terraform_provider(&self) -> Result<String, String>;
    /// Returns the missing tools of `cargo xtask test`; actionlint if its fork is missing as well.
    fn missing_tools(&self) -> Vec<Tool>;
    /// Returns whether the time zones of the package tzdata are installed.
    fn has_time_zones(&self) -> bool;
    /// Returns the version of PostgreSQL that the demo starts.
    fn postgres_version(&self) -> String;
    /// Returns whether the cache has an entry whose name begins with `name`.
    fn is_cached(&self, name: &str) -> bool;
    /// Returns the reason why a source can't be reached; `None` if it can.
    fn unreachable(&self, source: Source) -> Option<String>;
    /// Returns whether a Docker client on `PATH` builds with BuildKit.
    fn builds_images(&self) -> bool;
    /// Returns whether the workspace's programs are built.
    fn is_built(&self) -> bool;
    /// Returns the free bytes on the disk of builds and caches (the lower number, if those are two disks).
    fn free_disk(&self) -> Option<u64>;
    /// Returns the bytes of available memory.
    fn free_memory(&self) -> Option<u64>;
    /// Returns the operating system and the architecture.
    fn platform(&self) -> (&'static str, &'static str);
}

/// This machine.
#[derive(Debug)]
pub(crate) struct ThisMachine<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) runner: Runner,
}

impl Machine for ThisMachine<'_> {
    fn ask(&self, program: &str, args: &[&str]) -> Option<String> {
        let terraform;
        let program = if program == "terraform" {
            // A Terraform in the cache has precedence.
            terraform = tools::terraform_program(self.workspace);
            terraform.as_str()
        } else {
            program
        };
        let cmd = Cmd::new(program, &self.workspace.root, "").args(args.iter().copied());
        // Missing and failing are treated the same: the program cannot be used, and the need has the remedy.
        self.runner.ask(&cmd).ok()
    }

    fn docker_engine(&self) -> Option<String> {
        engine::docker_engine(self.runner).ok()
    }

    fn tools(&self) -> Vec<tools::Row> {
        tools::rows(self.workspace, self.runner)
    }

    fn cargo_tool(&self, tool: &CargoTool) -> Option<String> {
        tool.find(self.workspace, self.runner)
    }

    fn terraform_provider(&self) -> Result<String, String> {
        terraform::find_provider(self.workspace).map_err(|error| error.to_string())
    }

    fn missing_tools(&self) -> Vec<Tool> {
        tools::missing_for_tests(self.workspace, self.runner)
    }

    fn has_time_zones(&self) -> bool {
        Path::new(TIME_ZONE).is_file()
    }

    fn postgres_version(&self) -> String {
        std::env::var(POSTGRES_VARIABLE).unwrap_or_else(|_| NEWEST_POSTGRES.to_owned())
    }

    fn is_cached(&self, name: &str) -> bool {
        let is_named = std::env::var_os("RDS_IAM_CACHE_DIR").is_some_and(|folder| !folder.is_empty());
        let folders = cache_folders(&self.workspace.cache, rustix::process::geteuid().is_root(), is_named);
        let folders = folders.into_iter().filter_map(|folder| fs::read_dir(folder).ok());
        folders
            .flatten()
            .flatten()
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
    /// Returns the free bytes at a folder, or at its nearest existing parent.
    fn free_at(&self, folder: &Path) -> Option<u64> {
        let existing = folder.ancestors().find(|path| path.exists())?;
        let answer = self.ask("df", &["-Pk", &existing.display().to_string()])?;
        let kilobytes: u64 = answer.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
        Some(kilobytes * 1024)
    }
}

/// Returns the folders with the cache's entries. Servers that refuse to run as root have a second one, unless the folder is
/// named.
fn cache_folders(cache: &Path, is_root: bool, is_named: bool) -> Vec<&Path> {
    let second = (is_root && !is_named).then(|| Path::new(CACHE_OF_ROOT));
    [Some(cache), second].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_a_second_cache_unless_one_is_named() {
        let (cache, second) = (Path::new("/c"), Path::new("/var/cache/rds-iam"));
        assert_eq!(cache_folders(cache, true, false), [cache, second]);
        assert_eq!(cache_folders(cache, true, true), [cache]);
        assert_eq!(cache_folders(cache, false, false), [cache]);
    }

    #[test]
    fn folder_and_versions_are_the_emulator_s() {
        let emulator = rds_iam_process::workspace::root().join("crates/emulator/server/src");
        for (file, text) in [
            ("host/shared.rs", format!("\"{CACHE_OF_ROOT}\"")),
            ("postgres/versions.rs", format!("\"{POSTGRES_VARIABLE}\"")),
            ("postgres/versions.rs", format!("const NEWEST: Self = Self::V{NEWEST_POSTGRES};")),
        ] {
            assert!(fs::read_to_string(emulator.join(file)).unwrap().contains(&text), "{file}: {text}");
        }
    }
}
