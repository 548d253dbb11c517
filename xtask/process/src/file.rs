//! File operations with errors that name the path: read, parse JSON, replace atomically, copy, remove, hash,
//! and open lock files.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::Error;

/// Replaces a file atomically: a concurrent reader gets the old content or the new. The permissions are those
/// of an ordinary new file.
///
/// # Errors
/// Returns an error if the folder can't be created or the file can't be written.
pub fn replace(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(folder)?;
    let mut builder = tempfile::Builder::new();
    let prefix = path.file_name().map(|name| format!(".{}.", name.to_string_lossy())).unwrap_or_default();
    builder.prefix(&prefix).permissions(Permissions::from_mode(0o666));
    let written = builder.tempfile_in(folder).and_then(|mut temporary| {
        temporary.write_all(bytes.as_ref())?;
        temporary.persist(path).map_err(|error| error.error)
    });
    written.map(drop).map_err(failed("write", path))
}

/// Creates a folder and its parents, if missing.
///
/// # Errors
/// Returns an error if a folder can't be created.
pub fn make_folder(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(failed("make", folder))
}

/// Opens a file in order to lock it, and creates it with its folder if missing. The content written by
/// another run is kept.
///
/// # Errors
/// Returns an error if the file can't be opened, or is a symbolic link: its target would be written to.
pub fn open_lock(path: &Path) -> Result<File, Error> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).custom_flags(flags);
    options.open(path).map_err(|source| {
        if path.is_symlink() {
            return Error::Found {
                found: format!("{} is a symbolic link; expected a file", path.display()),
                help: "remove the link".to_owned(),
            };
        }
        failed("open", path)(source)
    })
}

/// Returns the text of a file.
///
/// # Errors
/// Returns an error if the file can't be read.
pub fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(failed("read", path))
}

/// Reads and deserializes a JSON file.
///
/// # Errors
/// Returns an error if the file can't be read or has other content; `made_by` is the command that creates it
/// again.
pub fn json<T: DeserializeOwned>(path: &Path, made_by: &str) -> Result<T, Error> {
    serde_json::from_str(&read(path)?).map_err(|error| Error::Found {
        found: format!("{} is not what it should be: {error}", path.display()),
        help: format!("make it again: {made_by}"),
    })
}

/// Copies a file atomically.
///
/// # Errors
/// Returns an error if the source can't be read or the target can't be written.
pub fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    replace(to, fs::read(from).map_err(failed("read", from))?)
}

/// Removes a file, if it exists.
///
/// # Errors
/// Returns an error if it exists and can't be removed.
pub fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", path)(source)),
        _ => Ok(()),
    }
}

/// Removes a folder with its content, if it exists.
///
/// # Errors
/// Returns an error if it exists and can't be removed.
pub fn remove_folder(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", path)(source)),
        _ => Ok(()),
    }
}

/// Returns the SHA-256 of a file, in hexadecimal digits.
///
/// # Errors
/// Returns an error if the file can't be read.
pub fn sha256(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(failed("read", path))?;
    Ok(hex::encode(Sha256::digest(bytes)))
}

/// Returns a function that converts an I/O error on a file.
pub fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_has_the_permissions_of_a_new_one() {
        let root = tempfile::tempdir().unwrap();
        let (new, replaced) = (root.path().join("new"), root.path().join("folder/replaced"));
        fs::write(&new, "new").unwrap();
        replace(&replaced, "old").unwrap();
        replace(&replaced, "new").unwrap();
        assert_eq!(fs::read_to_string(&replaced).unwrap(), "new");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&replaced), mode(&new));
    }

    #[test]
    fn a_file_that_cannot_be_replaced_leaves_nothing_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let error = replace(&folder, "text").unwrap_err();
        assert_eq!(error.to_string(), format!("could not write {}", folder.display()));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
