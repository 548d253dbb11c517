//! Tools from the Python Package Index, at versions pinned with the hashes of everything that comes along.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use xshell::cmd;

use super::install::install;
use super::{Found, Tool, folder, in_cache, release};
use crate::console::{Console, Style};
use crate::error::Error;
use crate::file;
use crate::runner::{Cmd, Runner};
use crate::workspace::Workspace;

/// What to do where it cannot be installed.
const HELP: &str =
    "on Debian, `apt-get install python3-venv`; the Python Package Index must be reachable once";

/// checkov, installed into the cache where it is not there yet: `infra check` has always done so.
///
/// # Errors
/// When this machine has no Python with venv, or pip cannot install.
pub fn checkov(workspace: &Workspace, console: Console, runner: Runner) -> Result<Found, Error> {
    match in_cache(Tool::Checkov, workspace) {
        Some(found) => Ok(found),
        None => {
            console.line(&console.paint(Style::Warning, "checkov is not here yet (once; about a minute)"));
            install(Tool::Checkov, workspace, console, runner)
        }
    }
}

/// cargo-zigbuild with the zig that came with it.
#[derive(Debug)]
pub struct Zigbuild {
    /// cargo-zigbuild.
    pub program: Found,
    /// zig's program.
    pub zig: PathBuf,
}

/// cargo-zigbuild and zig, installed into the cache where they are not there yet. Those on `PATH` are not used: what
/// Lambda runs is built with the pinned ones.
///
/// # Errors
/// When this machine has no Python with venv, or pip cannot install.
pub fn zigbuild(workspace: &Workspace, console: Console, runner: Runner) -> Result<Zigbuild, Error> {
    let program = match in_cache(Tool::CargoZigbuild, workspace) {
        Some(found) => found,
        None => {
            let note = "cargo-zigbuild and zig are not here yet (once; 100 MB to download)";
            console.line(&console.paint(Style::Warning, note));
            install(Tool::CargoZigbuild, workspace, console, runner)?
        }
    };
    // The folder in between has the version of Python in its name.
    let libraries = folder(Tool::CargoZigbuild, workspace).join("lib");
    let entries = fs::read_dir(&libraries).map_err(file::failed("read", &libraries))?;
    let mut zigs = entries.flatten().map(|entry| entry.path().join("site-packages/ziglang/zig"));
    let zig = zigs.find(|zig| zig.is_file()).ok_or_else(|| Error::Found {
        found: format!("{} has no zig", libraries.display()),
        help: format!("remove that folder's parent, and run {}", Tool::CargoZigbuild.help()),
    })?;
    Ok(Zigbuild { program, zig })
}

/// The digest of a tool's requirements; of nothing where there are none, which the installation then tells.
pub(super) fn digest(name: &str, workspace: &Workspace) -> String {
    hex::encode(Sha256::digest(fs::read(requirements(name, workspace)).unwrap_or_default()))
}

/// A Python in `folder` that has the packages. It can be moved: its programs are run as modules.
pub(super) fn install_packages(
    name: &str,
    folder: &Path,
    workspace: &Workspace,
    runner: Runner,
) -> Result<(), Error> {
    virtual_environment(folder, workspace, runner)?;
    let install = pip(folder, name, workspace, "install").args(["--quiet"]);
    runner.run(&install).map_err(Error::from)
}

/// Leaves the program that a wheel carries in `folder`. The wheel is not installed: the program needs no Python.
pub(super) fn fetch_program(
    tool: Tool,
    name: &str,
    folder: &Path,
    workspace: &Workspace,
    runner: Runner,
) -> Result<(), Error> {
    // pip, which verifies the hashes, chooses the wheel for this machine; Debian has it inside venv alone.
    let (environment, wheels) = (folder.join("environment"), folder.join("wheels"));
    virtual_environment(&environment, workspace, runner)?;
    let to = wheels.display().to_string();
    let download = pip(&environment, name, workspace, "download").args([
        "--quiet",
        "--ignore-requires-python",
        "--dest",
        &to,
    ]);
    runner.run(&download)?;
    let wheel = release::only_file(&wheels)?;
    let program = release::from_zip(tool.program(), &release::contents(&wheel)?);
    let origin = wheel.file_name().unwrap_or_default().to_string_lossy();
    release::place(tool, program, &origin, folder)?;
    for scratch in [environment, wheels] {
        file::remove_folder(&scratch)?;
    }
    Ok(())
}

/// The Python of a virtual environment.
pub(super) fn interpreter(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}

fn virtual_environment(folder: &Path, workspace: &Workspace, runner: Runner) -> Result<(), Error> {
    let shell = workspace.shell();
    let make = Cmd::from_xshell(cmd!(shell, "python3 -m venv {folder}"), HELP).hint(HELP);
    Ok(runner.run(&make)?)
}

fn pip(environment: &Path, name: &str, workspace: &Workspace, action: &str) -> Cmd {
    let (shell, python) = (workspace.shell(), interpreter(environment));
    let requirements = requirements(name, workspace);
    let pip = cmd!(
        shell,
        "{python} -m pip {action} --require-hashes --only-binary=:all: --no-deps --disable-pip-version-check --requirement {requirements}"
    );
    Cmd::from_xshell(pip, HELP).hint(HELP)
}

fn requirements(name: &str, workspace: &Workspace) -> PathBuf {
    workspace.root.join("xtask/process/python").join(name).join("requirements.txt")
}
