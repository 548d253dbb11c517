//! The user of servers that refuse to run as root, and the part of the cache that this user may read.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use super::cache::{self, Entry};
use super::file::entries;
use crate::error::Error;

/// The user and group of such servers, where this process is root: Unix's user without files of its own.
pub(crate) const SERVER_USER: u32 = 65534;

/// The cache folder of root's servers. Root's home can't be entered by their user.
const FOLDER: &str = "/var/cache/rds-iam";

/// Returns the user that a server which refuses root runs as; `None` if this process is not root.
pub(crate) fn server_user() -> Option<u32> {
    // The owner of this folder is the effective user.
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0).then_some(SERVER_USER)
}

/// Locks an entry of the cache that the servers' user may read.
pub(crate) async fn entry(name: &str) -> Result<Entry, Error> {
    let folder = match (server_user(), cache::named_folder()) {
        (Some(_), None) => PathBuf::from(FOLDER),
        _ => cache::folder()?,
    };
    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    if server_user().is_some() {
        if folder == Path::new(FOLDER) {
            set_mode(&folder, 0o755)?;
        }
        check_enterable(cache::VARIABLE, &folder)?;
    }
    Entry::lock_in(&folder, name).await
}

/// Checks that every user may enter the folder, which `setting` names.
pub(crate) fn check_enterable(setting: &'static str, folder: &Path) -> Result<(), Error> {
    let mode = |dir: &Path| fs::metadata(dir).map(|found| found.mode()).map_err(Error::io("read", dir));
    for dir in folder.ancestors().filter(|dir| !dir.as_os_str().is_empty()) {
        if mode(dir)? & 0o001 == 0 {
            return Err(Error::Setting {
                setting,
                value: folder.display().to_string(),
                problem: format!(
                    "the server, which runs as user {SERVER_USER} because it refuses root, can't enter {}: \
                     name a folder that every user may enter",
                    dir.display()
                ),
            });
        }
    }
    Ok(())
}

/// Lets every user read a folder and everything in it, whatever the umask.
pub(crate) fn open_up(path: &Path) -> Result<(), Error> {
    let mode = fs::symlink_metadata(path).map_err(Error::io("read", path))?.mode();
    if path.is_symlink() {
        return Ok(());
    }
    if path.is_dir() {
        set_mode(path, mode | 0o755)?;
        return entries(path)?.iter().try_for_each(|below| open_up(below));
    }
    set_mode(path, if mode & 0o100 == 0 { mode | 0o644 } else { mode | 0o755 })
}

/// Changes the owner of a folder and everything in it, if there is another.
pub(crate) fn give(path: &Path, owner: Option<u32>) -> Result<(), Error> {
    if owner.is_none() {
        return Ok(());
    }
    chown(path, owner, owner).map_err(Error::io("change the owner of", path))?;
    if path.is_dir() { entries(path)?.iter().try_for_each(|below| give(below, owner)) } else { Ok(()) }
}

/// Sets the permissions of a file or folder.
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(Error::io("set the permissions of", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_others_may_not_enter_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("closed/open");
        fs::create_dir_all(&inner).unwrap();
        set_mode(dir.path(), 0o755).unwrap();
        set_mode(&dir.path().join("closed"), 0o755).unwrap();
        check_enterable("X", &inner).unwrap();
        set_mode(&dir.path().join("closed"), 0o700).unwrap();
        let error = check_enterable("X", &inner).unwrap_err().to_string();
        assert!(error.contains("closed: name a folder that every user may enter"), "{error}");
    }

    #[test]
    fn programs_stay_programs_when_others_may_read_them() {
        let dir = tempfile::tempdir().unwrap();
        for (name, mode) in [("program", 0o700), ("text", 0o600)] {
            fs::write(dir.path().join(name), "").unwrap();
            set_mode(&dir.path().join(name), mode).unwrap();
        }
        open_up(dir.path()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(dir.path()), 0o755);
        assert_eq!(mode(&dir.path().join("program")), 0o755);
        assert_eq!(mode(&dir.path().join("text")), 0o644);
    }
}
