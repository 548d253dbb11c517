//! File operations: replace atomically, copy, remove.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Replaces a file atomically, with exactly these permissions: some files are for users of containers.
///
/// # Errors
/// Returns [`Error::Io`] if it can't be written.
pub fn replace(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    rds_iam_report::file::replace_with_mode(path, text, mode).map_err(Error::io("write", path))
}

/// Removes a file or folder, if it exists.
///
/// # Errors
/// Returns [`Error::Io`] if it can't be removed.
pub fn remove(path: &Path) -> Result<(), Error> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Copies a file, following links, into a folder that is created if needed.
///
/// # Errors
/// Returns [`Error::Io`] if it can't be copied.
pub fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    }
    fs::copy(from, to).map(drop).map_err(Error::io("copy", from))
}

/// Returns the paths in a folder.
pub(crate) fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let paths = fs::read_dir(dir).and_then(|dir| dir.map(|entry| Ok(entry?.path())).collect());
    paths.map_err(Error::io("list", dir))
}

/// Copies a folder and everything in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::io("create", to))?;
    for path in entries(from)? {
        let to = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() { copy_folder(&path, &to)? } else { copy_file(&path, &to)? }
    }
    Ok(())
}
