//! A home folder for the program under test, with an environment that has no settings of this machine.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The endpoint of the tests, which is not dialled.
pub(crate) const HOST: &str = "orders.c0ffee.eu-west-1.rds.amazonaws.com";

/// The files of one test.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and returns its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    #[expect(clippy::disallowed_methods, reason = "this is the program under test")]
    pub(crate) fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rds-iam"));
        self.prepare(&mut command);
        command
    }

    /// Sets the environment: keys, which nothing accepts, and no other settings.
    pub(crate) fn prepare(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.0.path())
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null());
    }
}

/// A process that ends with its test.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Returns an argument that is a path.
pub(crate) fn argument(path: &Path) -> &str {
    path.to_str().unwrap()
}
