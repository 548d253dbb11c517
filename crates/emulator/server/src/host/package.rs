//! Files of a single package of Debian, in the cache.

use std::fs;
use std::path::{Path, PathBuf};

use tracing::info;

use super::cache::Entry;
use super::debian::{self, Apt, Architecture};
use crate::error::Error;

/// A package, and the entry of the cache for the files that are kept of it.
pub(crate) struct Package<'a> {
    pub(crate) entry: &'a str,
    pub(crate) suite: &'static str,
    pub(crate) name: &'a str,
    /// What is downloaded, for a person.
    pub(crate) product: &'a str,
    /// The need for it, as in `to …`.
    pub(crate) purpose: &'static str,
    /// The way around a package that can't be fetched.
    pub(crate) hint: &'static str,
}

impl Package<'_> {
    /// Returns the folder of the entry, and downloads the package first if it is missing. `keep` copies what is kept
    /// from the unpacked package, its first argument, to its second.
    pub(crate) async fn cached(
        &self,
        keep: impl FnOnce(&Path, &Path) -> Result<(), Error>,
    ) -> Result<PathBuf, Error> {
        let entry = Entry::lock(self.entry).await?;
        if let Some(folder) = entry.existing() {
            return Ok(folder.to_owned());
        }
        let tools = debian::missing_tools();
        if !tools.is_empty() {
            return Err(Error::MissingTools { purpose: self.purpose, tools, hint: self.hint });
        }
        let scratch = entry.begin()?;
        let apt = Apt::of_suite(&scratch, self.suite, Architecture::of_this_machine()?).await?;
        info!("downloading {}", self.product);
        apt.update().await?;
        let debs = apt.download(&[self.name]).await?;
        let packages = scratch.join("packages");
        debian::unpack(&debs, &packages).await?;
        let kept = scratch.join("kept");
        keep(&packages, &kept)?;
        let folder = entry.finish(&kept)?;
        fs::remove_dir_all(&scratch).map_err(Error::io("remove", &scratch))?;
        Ok(folder)
    }
}
