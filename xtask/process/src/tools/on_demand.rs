//! checkov, and cargo-zigbuild with zig: each is installed into the cache when a task first needs it.

use std::fs;
use std::path::PathBuf;

use super::install::install;
use super::{Found, Tool, folder, in_cache};
use crate::console::{Console, Style};
use crate::error::Error;
use crate::file;
use crate::runner::Runner;
use crate::workspace::Workspace;

/// Returns checkov, installed into the cache if missing, as `infra check` always does.
///
/// # Errors
/// Returns an error if this machine has no Python with venv, or pip cannot install.
pub fn checkov(workspace: &Workspace, console: Console, runner: Runner) -> Result<Found, Error> {
    match in_cache(Tool::Checkov, workspace) {
        Some(found) => Ok(found),
        None => {
            console.line(&console.paint(Style::Warning, "checkov is not here yet (once; about a minute)"));
            install(Tool::Checkov, workspace, console, runner)
        }
    }
}

/// cargo-zigbuild with its zig.
#[derive(Debug)]
pub struct Zigbuild {
    /// cargo-zigbuild.
    pub program: Found,
    /// The path of zig.
    pub zig: PathBuf,
}

/// Returns cargo-zigbuild and zig, installed into the cache if missing. Those on `PATH` are not used: the
/// Lambda program is built with the pinned versions.
///
/// # Errors
/// Returns an error if this machine has no Python with venv, or pip cannot install.
pub fn zigbuild(workspace: &Workspace, console: Console, runner: Runner) -> Result<Zigbuild, Error> {
    let program = match in_cache(Tool::CargoZigbuild, workspace) {
        Some(found) => found,
        None => {
            let note = "cargo-zigbuild and zig are not here yet (once; 100 MB to download)";
            console.line(&console.paint(Style::Warning, note));
            install(Tool::CargoZigbuild, workspace, console, runner)?
        }
    };
    // The intermediate folder has the version of Python in its name.
    let libraries = folder(Tool::CargoZigbuild, workspace).join("lib");
    let entries = fs::read_dir(&libraries).map_err(file::failed("read", &libraries))?;
    let mut zigs = entries.flatten().map(|entry| entry.path().join("site-packages/ziglang/zig"));
    let zig = zigs.find(|zig| zig.is_file()).ok_or_else(|| Error::Found {
        found: format!("{} has no zig", libraries.display()),
        help: format!("remove that folder's parent, and run {}", Tool::CargoZigbuild.help()),
    })?;
    Ok(Zigbuild { program, zig })
}
