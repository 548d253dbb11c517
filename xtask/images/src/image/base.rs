//! `Bases`, the kind of base images (official or local), and `Base` and `Pair`: the name and digest of the
//! builder image and the base image of a build.

use clap::ValueEnum;
use serde::Serialize;

/// The kind of base images, which the caller selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bases {
    /// The official images that the Dockerfiles name by digest; the engine pulls them
    Pinned,
    /// Images made on this machine from Debian's packages and its own Rust, for where none can be pulled
    Local,
}

/// A base image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Base {
    /// The name in the registry.
    pub name: String,
    /// The digest of the manifest in the registry, or of the configuration in the engine if the image was
    /// made on this machine.
    pub digest: String,
}

impl Base {
    /// Returns the reference for `docker pull`.
    pub(super) fn reference(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }

    /// Returns the address of the registry's host.
    pub(super) fn registry(&self) -> String {
        format!("https://{}/v2/", self.name.split('/').next().unwrap_or_default())
    }
}

/// The builder image and the base image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Pair {
    pub builder: Base,
    pub base: Base,
}
