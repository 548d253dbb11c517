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
/// of an ordinary new file. A device or a pipe stays one: the content is written to it.
///
/// # Errors
/// Returns an error if the folder can't be created or the file can't be written.
pub fn replace(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
    if is_special(path) {
        let opened = File::options().append(true).open(path);
        return opened.and_then(|mut file| file.write_all(bytes.as_ref())).map_err(failed("write", path));
    }
    let folder = folder(path);
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

/// Creates the folder of a file, if missing, and checks that [`replace`] can write the file: for a report that is
/// written after long work.
///
/// # Errors
/// Returns an error if the folder can't be created or the file can't be written.
pub fn check_writable(path: &Path) -> Result<(), Error> {
    if is_special(path) {
        // Opening a pipe would wait for its reader.
        return Ok(());
    }
    make_folder(folder(path))?;
    let source = match tempfile::tempfile_in(folder(path)) {
        Ok(_) if path.is_dir() => std::io::ErrorKind::IsADirectory.into(),
        Ok(_) => return Ok(()),
        Err(source) => source,
    };
    Err(failed("write", path)(source))
}

/// Returns whether a path is that of a device, a pipe or an open file. `/dev/stdout` may lead to an ordinary file.
#[must_use]
pub fn is_special(path: &Path) -> bool {
    let is_open = ["/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"]
        .iter()
        .any(|root| path.starts_with(root));
    fs::metadata(path).is_ok_and(|found| !found.is_dir() && (!found.is_file() || is_open))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
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
    fn a_device_stays_one() {
        use std::os::unix::fs::{FileTypeExt as _, symlink};

        let root = tempfile::tempdir().unwrap();
        // Through a link, so that a failure of this test costs no machine its /dev/null.
        let link = root.path().join("link");
        symlink("/dev/null", &link).unwrap();
        check_writable(&link).unwrap();
        replace(&link, "text").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::metadata(&link).unwrap().file_type().is_char_device());
    }

    #[test]
    fn a_report_is_checked_before_it_is_written() {
        let root = tempfile::tempdir().unwrap();
        let report = root.path().join("folder/report.json");
        check_writable(&report).unwrap();
        assert!(report.parent().unwrap().is_dir() && !report.exists());
        fs::write(&report, "old").unwrap();
        check_writable(&report).unwrap();
        assert_eq!(fs::read_to_string(&report).unwrap(), "old");
        for wrong in [root.path(), &report.join("below a file"), Path::new("/proc/no/report.json")] {
            assert!(check_writable(wrong).is_err(), "{}", wrong.display());
        }
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

    /// Only open files of `/dev` are appended to: `/dev/shm` has ordinary ones.
    #[test]
    fn a_file_in_memory_is_replaced() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let file = folder.path().join("report.json");
        for text in ["one", "two"] {
            replace(&file, text).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }
}
