//! The cache folder for downloaded and prepared servers. An `Entry` is a locked folder in it, which exists as a whole
//! or not at all.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The environment variable that names the cache folder.
pub(crate) const VARIABLE: &str = "RDS_IAM_CACHE_DIR";

/// Returns the folder that the environment names.
pub(crate) fn named_folder() -> Option<PathBuf> {
    env::var_os(VARIABLE).map(PathBuf::from)
}

/// Returns the cache folder: `$RDS_IAM_CACHE_DIR`, or `rds-iam` in `$XDG_CACHE_HOME` or `~/.cache`.
pub(crate) fn folder() -> Result<PathBuf, Error> {
    let from = |variable, below: &str| env::var_os(variable).map(|dir| PathBuf::from(dir).join(below));
    named_folder()
        .or_else(|| from("XDG_CACHE_HOME", "rds-iam"))
        .or_else(|| from("HOME", ".cache/rds-iam"))
        .ok_or(Error::Setting {
            setting: VARIABLE,
            value: String::new(),
            problem: "there is no HOME either: name a folder to keep servers in".into(),
        })
}

/// A folder in the cache that exists as a whole or not at all, and is made by one process at a time.
pub struct Entry {
    path: PathBuf,
    /// The lock; the system releases it when the process ends.
    _lock: File,
}

impl Entry {
    /// Locks the entry of this name, once no other process is making it.
    ///
    /// # Errors
    /// Returns [`Error::Setting`] without a cache folder, [`Error::Io`] when the entry can't be locked.
    pub async fn lock(name: &str) -> Result<Self, Error> {
        let folder = folder()?;
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        Self::lock_in(&folder, name).await
    }

    /// Locks the entry of this name in a cache folder, once no other process is making it.
    pub(crate) async fn lock_in(folder: &Path, name: &str) -> Result<Self, Error> {
        let lock_path = folder.join(format!("{name}.lock"));
        let failed = Error::io("lock", &lock_path);
        let lock = tokio::task::spawn_blocking({
            let path = lock_path.clone();
            move || {
                let file = File::create(path)?;
                file.lock()?;
                Ok(file)
            }
        });
        let lock = lock.await.unwrap_or_else(|e| Err(e.into())).map_err(failed)?;
        Ok(Self { path: folder.join(name), _lock: lock })
    }

    /// Returns the finished folder, if there is one.
    pub fn existing(&self) -> Option<&Path> {
        self.path.is_dir().then_some(self.path.as_path())
    }

    /// Creates an empty folder beside the entry, to be filled and passed to [`Entry::finish`].
    ///
    /// # Errors
    /// Returns [`Error::Io`] if it can't be created.
    pub fn begin(&self) -> Result<PathBuf, Error> {
        let mut name = self.path.clone().into_os_string();
        name.push(".unfinished");
        let scratch = PathBuf::from(name);
        // A killed process may have left it behind. No other process uses it now: this one has the lock.
        match fs::remove_dir_all(&scratch) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
            _ => fs::create_dir(&scratch),
        }
        .map_err(Error::io("create", &scratch))?;
        Ok(scratch)
    }

    /// Moves the filled folder into place.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if it can't be moved.
    pub fn finish(&self, scratch: &Path) -> Result<PathBuf, Error> {
        fs::rename(scratch, &self.path).map_err(Error::io("put in place", &self.path))?;
        Ok(self.path.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_entry_is_whole_or_absent_and_made_by_one_at_a_time() {
        let name = format!("test-{}", std::process::id());
        let entry = Entry::lock(&name).await.unwrap();
        assert_eq!(entry.existing(), None);
        let waiting = tokio::spawn({
            let name = name.clone();
            async move { Entry::lock(&name).await.unwrap() }
        });

        // The first attempt stops half-way.
        fs::write(entry.begin().unwrap().join("half"), "").unwrap();
        let scratch = entry.begin().unwrap();
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
        fs::write(scratch.join("whole"), "").unwrap();
        assert_eq!(entry.existing(), None);
        assert!(!waiting.is_finished());
        let path = entry.finish(&scratch).unwrap();
        drop(entry);

        let entry = waiting.await.unwrap();
        assert_eq!(entry.existing(), Some(path.as_path()));
        assert!(path.join("whole").is_file());
        fs::remove_dir_all(&path).unwrap();
        fs::remove_file(folder().unwrap().join(format!("{name}.lock"))).unwrap();
    }
}
