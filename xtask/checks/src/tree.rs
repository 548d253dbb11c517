//! A working copy of `terraform/`, so that no run leaves files beside the sources.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::workspace::Workspace;

/// The lock file with the provider's version.
const LOCK: &str = ".terraform.lock.hcl";

/// A copy of the workspace's `terraform` folder that no other process uses.
#[derive(Debug)]
pub struct Tree {
    /// The path of the copy.
    pub path: PathBuf,
    /// The lock, held while this value exists; the system releases it when the process ends.
    _lock: File,
}

/// Creates a fresh copy under `target/infra/<name>`.
///
/// Modules get the stack's lock file: they are roots here only to be tested.
///
/// # Errors
/// Returns an error if another run uses that folder, or a file cannot be read or written.
pub fn copy(name: &str, workspace: &Workspace) -> Result<Tree, Error> {
    let to = workspace.target.join("infra").join(name);
    let lock = lock(&to)?;
    file::remove_folder(&to)?;
    let from = workspace.root.join("terraform");
    copy_folder(&from, &to)?;
    let provider = from.join("stacks/service").join(LOCK);
    for module in folders(&to.join("modules"))? {
        copy_file(&provider, &module.join(LOCK))?;
    }
    Ok(Tree { path: to, _lock: lock })
}

fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.with_extension("lock");
    let failed = |source| Error::File { action: "lock", path: path.clone(), source };
    let file = file::open_lock(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(source)) => Err(failed(source)),
        Err(TryLockError::WouldBlock) => Err(Error::Found {
            found: format!("another run is at work in {}", folder.display()),
            help: "wait for its end, or work in a clone of your own".to_owned(),
        }),
    }
}

/// Returns the folders in a folder, sorted.
///
/// # Errors
/// Returns an error if the folder can't be read.
pub fn folders(of: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found: Vec<PathBuf> = entries(of)?.into_iter().filter(|path| path.is_dir()).collect();
    found.sort();
    Ok(found)
}

pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::File { action: "read", path: folder.to_owned(), source };
    fs::read_dir(folder).map_err(failed)?.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    file::make_folder(to)?;
    for path in entries(from)? {
        let Some(name) = path.file_name() else { continue };
        // Files of a manual `terraform init`, which may be of another version.
        if name == ".terraform" || name.to_string_lossy().contains(".tfstate") {
            continue;
        }
        let copy = to.join(name);
        if path.is_dir() { copy_folder(&path, &copy)? } else { copy_file(&path, &copy)? }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    fs::copy(from, to).map(drop).map_err(|source| Error::File {
        action: "copy",
        path: from.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_a_symbolic_link_is_refused_and_its_target_stays() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target.txt");
        fs::write(&target, "kept").unwrap();
        std::os::unix::fs::symlink(&target, folder.path().join("check.lock")).unwrap();
        let error = lock(&folder.path().join("check")).unwrap_err().report();
        assert!(error.contains("check.lock is a symbolic link; expected a file"), "{error}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
    }

    #[test]
    fn a_copy_leaves_out_what_terraform_left_and_gives_modules_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace {
            root: folder.path().to_owned(),
            target: folder.path().join("target"),
            cache: folder.path().join("cache"),
        };
        for (path, text) in [
            ("terraform/stacks/service/.terraform.lock.hcl", "lock"),
            ("terraform/stacks/service/terraform.tfstate", "state"),
            ("terraform/stacks/service/.terraform/x", "x"),
            ("terraform/modules/vpc/main.tf", "main"),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        for _ in 0..2 {
            let tree = copy("check", &workspace).unwrap();
            let copied = &tree.path;
            assert!(copy("check", &workspace).unwrap_err().to_string().contains("another run is at work"));
            assert_eq!(file::read(&copied.join("modules/vpc/main.tf")).unwrap(), "main");
            assert_eq!(file::read(&copied.join("modules/vpc/.terraform.lock.hcl")).unwrap(), "lock");
            assert!(!copied.join("stacks/service/terraform.tfstate").exists());
            assert!(!copied.join("stacks/service/.terraform").exists());
            fs::write(copied.join("stacks/service/old"), "").unwrap();
        }
    }
}
