//! Files: written whole, copied, removed.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Writes a file in one step: a reader finds it complete, or not at all.
///
/// # Errors
/// [`Error::Io`] when it can't be written.
pub fn write_whole(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let mut unfinished = path.to_owned().into_os_string();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    remove(&unfinished)?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&unfinished)
        .and_then(|mut file| {
            // Whatever the umask says: some are for users of containers.
            file.set_permissions(Permissions::from_mode(mode))?;
            file.write_all(text.as_bytes())
        })
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(Error::io("write", path))
}

/// Removes a file or folder, if it exists.
///
/// # Errors
/// [`Error::Io`] when it can't be removed.
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
/// [`Error::Io`] when it can't be copied.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_with_its_mode() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("file");
        for (text, mode) in [("first", 0o600), ("second", 0o644)] {
            write_whole(&path, text, mode).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
        assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
    }
}
