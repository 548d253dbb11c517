//! A cache of passed Terraform tests: a module or stack is tested again only if its files, Terraform's
//! version or the source of the provider changed.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::tree;
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::workspace::Workspace;

/// The cache of passed roots, in cargo's target folder; `cargo clean` removes it.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    /// Terraform's version and the source of its provider.
    tools: String,
}

/// The fingerprint of a root module and everything that its tests depend on.
#[derive(Debug)]
pub(crate) struct Fingerprint(PathBuf);

impl Cache {
    /// Opens the cache for these tools.
    ///
    /// # Errors
    /// Returns an error if its folder can't be created.
    pub(crate) fn open(tools: String, workspace: &Workspace) -> Result<Self, Error> {
        let folder = workspace.target.join("infra/passed");
        file::make_folder(&folder)?;
        Ok(Self { folder, tools })
    }

    /// Returns the fingerprint of a root in the working copy `tree`. A root that refers to others depends on
    /// all of them.
    ///
    /// # Errors
    /// Returns an error if a file can't be read.
    pub(crate) fn fingerprint(&self, root: &Path, tree: &Path) -> Result<Fingerprint, Error> {
        let mut files = Vec::new();
        collect(root, &mut files)?;
        let mut digest = Sha256::new();
        digest.update(&self.tools);
        let mut others = false;
        for file in &files {
            others |= add(file, tree, &mut digest)?.contains("source = \"../");
        }
        if others {
            files.clear();
            collect(tree, &mut files)?;
            for file in &files {
                add(file, tree, &mut digest)?;
            }
        }
        Ok(Fingerprint(self.folder.join(hex::encode(&digest.finalize()[..16]))))
    }
}

impl Fingerprint {
    /// Returns the number of tests of the last pass, if there was one.
    pub(crate) fn passed(&self) -> Option<u32> {
        fs::read_to_string(&self.0).ok()?.trim().parse().ok()
    }

    /// Records a passed root.
    ///
    /// # Errors
    /// Returns an error if it can't be written.
    pub(crate) fn remember(&self, tests: u32) -> Result<(), Error> {
        file::replace(&self.0, format!("{tests}\n"))
    }
}

/// Adds a file's name and content to the digest, and returns the content as text.
fn add(file: &Path, tree: &Path, digest: &mut Sha256) -> Result<String, Error> {
    let bytes =
        fs::read(file).map_err(|source| Error::File { action: "read", path: file.to_owned(), source })?;
    let name = file.strip_prefix(tree).unwrap_or(file).display().to_string();
    digest.update(format!("\n{name} {}\n", bytes.len()));
    digest.update(&bytes);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Collects the files of a folder, sorted; files written by Terraform are left out.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let mut entries = tree::entries(folder)?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != ".terraform") {
                collect(&path, files)?;
            }
        } else {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_to_what_a_root_depends_on_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let workspace =
            Workspace { root: "/r".into(), target: folder.path().join("target"), cache: "/c".into() };
        let tree = folder.path().join("terraform");
        let write = |path: &str, text: &str| {
            let path = tree.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("modules/vpc/main.tf", "a");
        write("modules/iam/main.tf", "source = \"../vpc\"");
        let (vpc, iam) = (tree.join("modules/vpc"), tree.join("modules/iam"));
        let passed = Cache::open("1.11.4".into(), &workspace).unwrap();
        for root in [&vpc, &iam] {
            let now = passed.fingerprint(root, &tree).unwrap();
            assert_eq!(now.passed(), None);
            now.remember(3).unwrap();
            write("modules/vpc/.terraform/x", "not ours");
            assert_eq!(passed.fingerprint(root, &tree).unwrap().passed(), Some(3));
        }
        let newer = Cache::open("1.12.0".into(), &workspace).unwrap();
        assert_eq!(newer.fingerprint(&vpc, &tree).unwrap().passed(), None);
        write("modules/vpc/main.tf", "b");
        for root in [&vpc, &iam] {
            assert_eq!(passed.fingerprint(root, &tree).unwrap().passed(), None);
        }
        write("modules/vpc/main.tf", "a");
        assert_eq!(passed.fingerprint(&iam, &tree).unwrap().passed(), Some(3));
    }
}
