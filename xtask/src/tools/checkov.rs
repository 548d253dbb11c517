//! checkov, at a version pinned with the hashes of everything it needs, in a Python of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::remove_folder;
use crate::console::{Console, Style};
use crate::error::Error;
use crate::runner::{Cmd, Runner};
use crate::workspace::Workspace;

/// Made from `requirements.in` as the comment at its top says.
const REQUIREMENTS: &str = include_str!("../../python/checkov/requirements.txt");
/// What to do where it cannot be installed.
const MEND: &str =
    "on Debian, `apt-get install python3-venv`; the Python Package Index must be reachable once";

/// A checkov command in the workspace's root, installed into the cache where it is not there yet.
///
/// # Errors
/// When this machine has no Python with venv, or pip cannot install.
pub(crate) fn checkov(workspace: &Workspace, console: Console, runner: Runner) -> Result<Cmd, Error> {
    let folder = folder(workspace);
    // One installs, others wait.
    let lock_path = folder.with_extension("lock");
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { action, path, source }
    };
    fs::create_dir_all(workspace.cache.join("tools")).map_err(failed("make", &workspace.cache))?;
    let lock = File::create(&lock_path).map_err(failed("make", &lock_path))?;
    lock.lock().map_err(failed("lock", &lock_path))?;
    if !folder.is_dir() {
        console.line(&console.paint(
            Style::Warning,
            &format!(
                "checkov is not here yet: installing it into {} (once; about a minute)",
                folder.display()
            ),
        ));
        let scratch = folder.with_extension("unfinished");
        remove_folder(&scratch).map_err(failed("remove", &scratch))?;
        fs::create_dir_all(&scratch).map_err(failed("make", &scratch))?;
        let requirements = scratch.join("requirements.txt");
        fs::write(&requirements, REQUIREMENTS).map_err(failed("write", &requirements))?;
        let python = |program: String| workspace.tool(&program, MEND.to_owned()).hint(MEND);
        runner.run(&python("python3".to_owned()).args([
            "-m".to_owned(),
            "venv".to_owned(),
            shown(&scratch),
        ]))?;
        let pip = ["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:", "--no-deps"];
        let install = python(interpreter(&scratch)).args(pip);
        let install = install.args(["--disable-pip-version-check", "--requirement", &shown(&requirements)]);
        runner.run(&install)?;
        fs::rename(&scratch, &folder).map_err(failed("rename", &scratch))?;
    }
    // As a module: the script that pip wrote names the folder it was installed in.
    Ok(workspace.tool(&interpreter(&folder), MEND.to_owned()).args(["-I", "-m", "checkov.main"]))
}

fn folder(workspace: &Workspace) -> PathBuf {
    let digest = hex::encode(&Sha256::digest(REQUIREMENTS)[..6]);
    workspace.cache.join("tools").join(format!("checkov-{digest}"))
}

fn interpreter(folder: &Path) -> String {
    shown(&folder.join("bin/python"))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
