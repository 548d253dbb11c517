//! The images that a build starts from, as data.

use clap::ValueEnum;
use serde::Serialize;

/// What images are built on. The caller chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bases {
    /// The official images that the Dockerfiles name by digest; the engine pulls them
    Pinned,
    /// Images made on this machine from Debian's packages and its own Rust, for where none can be pulled
    Local,
}

/// An image that others are built on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Base {
    /// As the registry names it.
    pub name: String,
    /// Of the manifest in its registry; of the configuration in the engine where it was made on this machine.
    pub digest: String,
}

impl Base {
    /// As `docker pull` takes it.
    pub(super) fn reference(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }

    /// Returns an address of its registry's host.
    pub(super) fn registry(&self) -> String {
        format!("https://{}/v2/", self.name.split('/').next().unwrap_or_default())
    }
}

/// What compiles, and what the program is put on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Pair {
    pub builder: Base,
    pub base: Base,
}
