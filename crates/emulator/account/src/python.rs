//! A Python environment with moto and botocore, at versions pinned by hash.

use std::path::{Path, PathBuf};

use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::command::{self, Command};
use rds_iam_emulator_server::host::cache::Entry;
use sha2::{Digest, Sha256};
use tracing::info;

/// Every package with the hashes of all its files; generated from `requirements.in` as described in the
/// emulator's `README.md`.
const REQUIREMENTS: &str = include_str!("../aws/requirements.txt");

/// Returns a Python interpreter that has botocore and moto, installed into the cache at the first call.
///
/// For tests that compare with AWS's own SDK:
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let python = rds_iam_emulator_account::python().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Returns [`Error::MissingTools`] if this machine has no Python 3 with the venv module, and
/// [`Error::Command`] with pip's message if pip can't install.
pub async fn python() -> Result<PathBuf, Error> {
    let hint = "on Debian, `apt-get install python3-venv`; for the AWS API alone, a Docker engine will do";
    environment("python", REQUIREMENTS, "install moto and botocore", hint).await
}

/// Returns a Python interpreter that has the packages of a requirements file, installed into the cache at the first call
/// as an entry of this name. The file names every package, and its hashes. `purpose` completes the sentence "to …, this
/// machine needs".
///
/// # Errors
/// Returns the errors of [`python`].
pub async fn python_with(name: &str, requirements: &str, purpose: &'static str) -> Result<PathBuf, Error> {
    environment(name, requirements, purpose, "on Debian, `apt-get install python3-venv`").await
}

async fn environment(
    name: &str,
    requirements: &str,
    purpose: &'static str,
    hint: &'static str,
) -> Result<PathBuf, Error> {
    let digest = hex::encode(&Sha256::digest(requirements)[..6]);
    let entry = Entry::lock(&format!("{name}-{digest}")).await?;
    let interpreter = Path::new("bin/python");
    if let Some(existing) = entry.existing() {
        return Ok(existing.join(interpreter));
    }
    if !is_possible().await {
        return Err(Error::MissingTools { purpose, tools: vec!["python3", "its venv module"], hint });
    }
    info!("a new Python environment, to {purpose}");
    let scratch = entry.begin()?;
    let list = scratch.join("requirements.txt");
    std::fs::write(&list, requirements).map_err(Error::io("write", &list))?;
    Command::new("python3").args(["-m", "venv"]).arg(&scratch).output().await?;
    Command::new(scratch.join(interpreter))
        .args(["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:"])
        .args(["--disable-pip-version-check", "--no-deps", "--requirement"])
        .arg(&list)
        .output()
        .await?;
    // The interpreter finds its packages by its own path, so they may be moved with it.
    Ok(entry.finish(&scratch)?.join(interpreter))
}

/// Returns whether this machine's own Python can create an environment.
pub(crate) async fn is_possible() -> bool {
    command::missing(&["python3"]).is_empty()
        && Command::new("python3").args(["-c", "import venv, ensurepip"]).output().await.is_ok()
}
