//! The access key that the emulated AWS API accepts, and its shared credentials file: a new key in a new file, or a
//! key that is read from an existing file.

use std::fmt;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rds_iam_emulator_control::AccessKey;
use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::credentials::{credentials_file, own_key, read_key};
use rds_iam_emulator_server::host::file;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// The access key that the endpoint accepts, and its file.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) key: AccessKey,
    pub(super) file: PathBuf,
    /// The folder of the file that was made for this endpoint, removed when the last of its clients is dropped.
    _folder: Option<Arc<TempDir>>,
}

impl Key {
    /// Writes this process's key into a new folder.
    pub(super) fn new() -> Result<Self, Error> {
        let temporary = std::env::temp_dir();
        let own = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("rds-iam-aws-").permissions(own).tempdir();
        let folder = folder.map_err(Error::io("make a folder in", &temporary))?;
        let (key, file) = (own_key()?, folder.path().join("credentials"));
        file::replace(&file, &credentials_file(&key), 0o600)?;
        Ok(Self { key, file, _folder: Some(Arc::new(folder)) })
    }

    /// Reads the key from this file, which is kept.
    pub(super) fn read(file: &Path) -> Result<Self, Error> {
        Ok(Self { key: read_key(file)?, file: file.to_owned(), _folder: None })
    }

    /// Returns the key's ID, a colon, and the SHA-256 of the session token, in hex: enough to identify a
    /// caller, and not secret.
    pub(super) fn known(&self) -> String {
        format!("{}:{}", self.key.id, hex::encode(Sha256::digest(self.session_token())))
    }

    pub(super) fn session_token(&self) -> &str {
        self.key.session_token.as_deref().unwrap_or_default()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("file", &self.file).finish_non_exhaustive()
    }
}
