//! Installs tools from the Python Package Index with pip, pinned by the hashes of all dependencies: in a
//! virtual environment, or only the program of a wheel.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use xshell::cmd;

use super::{Tool, release};
use crate::error::Error;
use crate::file;
use crate::runner::{Cmd, Runner};
use crate::workspace::Workspace;

/// The help text for a failed installation.
const HELP: &str =
    "on Debian, `apt-get install python3-venv`; the Python Package Index must be reachable once";

/// Returns the digest of a tool's requirements; of nothing if they are missing, which the installation then
/// reports.
pub(super) fn digest(name: &str, workspace: &Workspace) -> String {
    hex::encode(Sha256::digest(fs::read(requirements(name, workspace)).unwrap_or_default()))
}

/// Creates a Python environment in `folder` with the packages. It can be moved: its programs are run as
/// modules.
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

/// Extracts the program from a wheel into `folder`. The wheel is not installed: the program needs no Python.
pub(super) fn fetch_program(
    tool: Tool,
    name: &str,
    folder: &Path,
    workspace: &Workspace,
    runner: Runner,
) -> Result<(), Error> {
    // pip, which verifies the hashes, chooses the wheel for this machine; on Debian, pip exists only inside a
    // venv.
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

/// Returns the Python interpreter of a virtual environment.
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
