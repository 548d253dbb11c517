//! The folder of an account: locks it, creates its subfolders and logs, publishes `account.json`, and removes all but
//! the logs at the end and after a killed run. Other modules write the rest.
//!
//! ```text
//! <folder>, which only its owner may enter
//! ├── account.json          there as long as the account answers
//! ├── account.lock          held as long as its process lives
//! ├── credentials           the access key that the AWS API and every database of the account know
//! ├── databases
//! │   ├── <identifier>.json where the database is
//! │   └── <identifier>.pem  the authority that signed its certificate
//! ├── docker                a folder for DOCKER_CONFIG: the registry lets its owner in
//! ├── machines/<group>/<id> what a machine of a group has (see `machine`)
//! ├── proxies
//! │   └── <host>.json       where the proxy of that endpoint is
//! ├── registry              the images
//! ├── shims                 the shims for programs of a machine
//! └── *.log                 what stays
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::host::file::{self, remove};
use serde_json::Value;

const ACCOUNT: &str = "account.json";
const LOCK: &str = "account.lock";

/// The contents that belong to one run only.
const OF_A_RUN: [&str; 8] =
    [ACCOUNT, "credentials", "databases", "docker", "machines", "proxies", "registry", "shims"];

/// The locked folder. Dropping it removes all but the logs.
pub(crate) struct Folder {
    path: PathBuf,
    /// The lock; the system releases it when this process ends.
    lock: File,
}

impl Folder {
    /// Locks a folder, which is created if needed, and removes the remains of a run that was killed.
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
        let wrong = |problem: String| Error::Setting {
            setting: "the folder of the account",
            value: path.display().to_string(),
            problem,
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::io("create", path))?;
        let path = path.canonicalize().map_err(Error::io("find", path))?;
        let lock_path = path.join(LOCK);
        let mut entries = fs::read_dir(&path).map_err(Error::io("read", &path))?;
        if !lock_path.exists() && entries.next().is_some() {
            return Err(wrong("it has other contents: name an empty folder, or a new one".into()));
        }
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(Error::io("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let who = fs::read_to_string(path.join(ACCOUNT)).ok();
                let who = who.and_then(|text| serde_json::from_str::<Value>(&text).ok()?["pid"].as_u64());
                let who = who.map_or_else(String::new, |pid| format!(", process {pid}"));
                return Err(wrong(format!(
                    "an account uses it already{who}: use that one, end it, or name another folder"
                )));
            }
            Err(TryLockError::Error(e)) => return Err(Error::io("lock", &lock_path)(e)),
        }
        fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(Error::io("close", &path))?;
        let folder = Self { path, lock };
        folder.clear()?;
        for name in ["databases", "machines", "proxies", "registry", "shims"] {
            folder.make(name)?;
        }
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Creates a subfolder.
    pub(crate) fn make(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.join(name);
        fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        Ok(path)
    }

    /// Opens a log, for appending.
    pub(crate) fn log(&self, name: &str) -> Result<File, Error> {
        let path = self.log_path(name);
        OpenOptions::new().create(true).append(true).read(true).open(&path).map_err(Error::io("open", &path))
    }

    /// Returns the path of a log.
    pub(crate) fn log_path(&self, name: &str) -> PathBuf {
        self.join(&format!("{name}.log"))
    }

    /// Writes the addresses of the account once it answers.
    pub(crate) fn announce(&self, account: &Value) -> Result<(), Error> {
        file::replace(&self.join(ACCOUNT), &format!("{account:#}\n"), 0o644)
    }

    /// Removes the addresses.
    pub(crate) fn withdraw(&self) {
        if let Err(e) = remove(&self.join(ACCOUNT)) {
            tracing::warn!("{e}");
        }
    }

    fn clear(&self) -> Result<(), Error> {
        OF_A_RUN.iter().try_for_each(|name| remove(&self.join(name)))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(e) = self.clear() {
            tracing::warn!("{e}");
        }
        // Closing the file isn't enough: a child process that is being started has it open too, for a moment.
        if let Err(e) = self.lock.unlock() {
            tracing::warn!("unlocking {}: {e}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_folder_has_one_account_and_only_logs_stay() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("new/account");
        let folder = Folder::take(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        folder.announce(&json!({ "pid": 4711 })).unwrap();
        let error = Folder::take(&path).err().unwrap().to_string().replace(path.to_str().unwrap(), "DIR");
        insta::assert_snapshot!(error, @r#"the folder of the account is "DIR", but an account uses it already, process 4711: use that one, end it, or name another folder"#);

        folder.log("aws").unwrap();
        drop(folder);
        let mut left: Vec<_> = fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["account.lock", "aws.log"]);

        // The remains of a run that was killed.
        fs::create_dir(path.join("databases")).unwrap();
        fs::write(path.join("databases/old.json"), "").unwrap();
        let folder = Folder::take(&path).unwrap();
        assert_eq!(fs::read_dir(folder.join("databases")).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_of_other_things_is_left_alone() {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir(outer.path().join("registry")).unwrap();
        let error = Folder::take(outer.path()).err().unwrap().to_string();
        assert!(error.ends_with("but it has other contents: name an empty folder, or a new one"), "{error}");
        assert!(outer.path().join("registry").is_dir());
    }
}
