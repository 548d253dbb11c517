//! Files in one step, and their digests.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::Error;

/// Writes a file in one step: whoever reads it meanwhile sees the old one or the new one.
///
/// # Errors
/// When its folder can't be made, or it can't be written.
pub fn replace(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    let written = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path));
    written.map_err(|source| {
        // It may not even have been made; what failed is what the person has to hear about.
        drop(fs::remove_file(&unfinished));
        failed("write", path)(source)
    })
}

/// Makes a folder with those above it, if it is not there.
///
/// # Errors
/// When it can't be made.
pub fn make_folder(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(failed("make", folder))
}

/// Opens a file to lock it, and makes it with its folder if it is not there. What another run wrote in it is kept.
///
/// # Errors
/// When it can't be opened, or is a symbolic link: its target would be written to.
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
                mend: "remove the link".to_owned(),
            };
        }
        failed("open", path)(source)
    })
}

/// The text of a file.
///
/// # Errors
/// When it can't be read.
pub fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(failed("read", path))
}

/// A JSON file as a type.
///
/// # Errors
/// When it can't be read, or holds something else; `made_by` is what makes it anew.
pub fn json<T: DeserializeOwned>(path: &Path, made_by: &str) -> Result<T, Error> {
    serde_json::from_str(&read(path)?).map_err(|error| Error::Found {
        found: format!("{} is not what it should be: {error}", path.display()),
        mend: format!("make it anew: {made_by}"),
    })
}

/// Copies a file, in one step.
///
/// # Errors
/// When one can't be read, or the other can't be written.
pub fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    replace(to, fs::read(from).map_err(failed("read", from))?)
}

/// Removes a file that may not be there.
///
/// # Errors
/// When it is there and stays.
pub fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", path)(source)),
        _ => Ok(()),
    }
}

/// Removes a folder that may not be there, with all that is in it.
///
/// # Errors
/// When it is there and stays.
pub fn remove_folder(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", path)(source)),
        _ => Ok(()),
    }
}

/// The SHA-256 of a file, in hexadecimal digits.
///
/// # Errors
/// When it can't be read.
pub fn sha256(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(failed("read", path))?;
    Ok(hex::encode(Sha256::digest(bytes)))
}

/// An error about a file.
pub fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}
