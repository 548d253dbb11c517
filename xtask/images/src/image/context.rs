//! Copies the build context of an image to a folder: the tracked files of a commit or of the working tree,
//! and gives its Dockerfiles cache IDs that depend on the lock file and the toolchain.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Request, Tree, Which};
use rds_iam_process::error::Error;
use rds_iam_process::file::{failed as file, make_folder, remove_folder};
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::workspace::Workspace;

/// The folders and files that `.dockerignore` includes, the build files of the images, and the files that
/// cargo needs before it reads dependencies.
const PATHS: [&str; 8] = [
    ".dockerignore",
    "Cargo.lock",
    "Cargo.toml",
    "benches",
    "crates",
    "docker",
    "rust-toolchain.toml",
    "xtask",
];

/// Copies the files into a separate folder, which is emptied before, and returns its path.
///
/// # Errors
/// Returns an error if git does not have the commit, or a file can't be read or written.
pub(super) fn lay_out(request: &Request, workspace: &Workspace, runner: Runner) -> Result<PathBuf, Error> {
    let folder = folder(request);
    empty(&folder)?;
    match archive(request, workspace) {
        Some(archive) => extract(&archive, &folder, runner)?,
        None => copy(&folder, workspace, runner)?,
    }
    separate_caches(&folder, request)?;
    Ok(folder)
}

/// The prefix of the IDs of the Dockerfiles' caches.
const CACHE_ID: &str = "id=rds-iam-";

/// Gives the caches of the copied Dockerfiles separate IDs. The build scripts of all built crates write to a
/// cache: builds of another lock file or toolchain do not share it, and a build without cache shares its
/// cache with no other commit.
fn separate_caches(folder: &Path, request: &Request) -> Result<(), Error> {
    let mut key = Sha256::new();
    for name in ["Cargo.lock", "rust-toolchain.toml"] {
        let path = folder.join(name);
        match fs::read(&path) {
            Ok(bytes) => key.update(bytes),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(file("read", &path)(source)),
        }
    }
    if request.no_cache {
        key.update(&request.commit);
    }
    let id = format!("{CACHE_ID}{}-", hex::encode(&key.finalize()[..6]));
    for which in Which::ALL {
        let path = folder.join(which.dockerfile());
        if path.is_file() {
            let text = fs::read_to_string(&path).map_err(file("read", &path))?;
            fs::write(&path, text.replace(CACHE_ID, &id)).map_err(file("write", &path))?;
        }
    }
    Ok(())
}

/// Returns the folder of the files.
pub(super) fn folder(request: &Request) -> PathBuf {
    request.out.with_extension("context")
}

/// Creates an empty folder; removes the files of an earlier run.
pub(super) fn empty(folder: &Path) -> Result<(), Error> {
    remove_folder(folder)?;
    make_folder(folder)
}

/// Returns the command that exports the files of a commit; `None` if the working tree is copied.
pub(super) fn archive(request: &Request, workspace: &Workspace) -> Option<Cmd> {
    let tar = packed(&folder(request)).display().to_string();
    let archive = ["archive", "--format", "tar", "--output", tar.as_str(), request.commit.as_str(), "--"];
    let archive = workspace
        .git(archive.into_iter().chain(PATHS))
        .hint("fetch the commit (CI: check out with fetch-depth 0), or name one that has docker/");
    (request.tree == Tree::Commit).then_some(archive)
}

/// Returns the path of git's archive of the commit.
fn packed(folder: &Path) -> PathBuf {
    folder.with_extension("tar")
}

fn extract(archive: &Cmd, folder: &Path, runner: Runner) -> Result<(), Error> {
    runner.ask(archive)?;
    let tar = packed(folder);
    let opened = fs::File::open(&tar).map_err(file("read", &tar))?;
    tar::Archive::new(opened).unpack(folder).map_err(file("unpack", &tar))?;
    fs::remove_file(&tar).map_err(file("remove", &tar))
}

fn copy(folder: &Path, workspace: &Workspace, runner: Runner) -> Result<(), Error> {
    let list = workspace
        .git(["ls-files", "-z", "--cached", "--"].into_iter().chain(PATHS))
        .hint("images are built from what git tracks: run this in a git clone");
    let listed = runner.ask(&list)?;
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let (from, to) = (workspace.root.join(path), folder.join(path));
        let parent = to.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(file("make", parent))?;
        match fs::copy(&from, &to) {
            // Tracked, but deleted.
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            copied => drop(copied.map_err(file("copy", &from))?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Bases, Which};
    use super::*;
    use rds_iam_process::console::Console;

    #[test]
    fn a_commit_is_laid_out_as_it_was_and_the_working_tree_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("clone");
        let workspace =
            Workspace { root: root.clone(), target: folder.path().into(), cache: folder.path().into() };
        let runner = Runner::new(Console::silent());
        let git = |args: &[&str]| {
            let own = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"];
            let git = Cmd::new("git", &root, "install git").args(own).args(args.iter().copied());
            runner.ask(&git).unwrap()
        };
        for path in PATHS {
            let path = root.join(path);
            // A file, or a folder with one file.
            let path = if path.extension().is_some() || path.ends_with(".dockerignore") {
                path
            } else {
                path.join("file")
            };
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "committed").unwrap();
        }
        git(&["init", "--quiet"]);
        git(&["add", "."]);
        git(&["commit", "--quiet", "--message", "x"]);
        fs::write(root.join("crates/file"), "changed").unwrap();
        fs::write(root.join("crates/new"), "not tracked").unwrap();
        fs::remove_file(root.join("benches/file")).unwrap();

        let request = |tree, commit: &str| Request {
            which: Which::App,
            bases: Bases::Local,
            tree,
            commit: commit.trim().into(),
            source: String::new(),
            created: String::new(),
            no_cache: false,
            out: folder.path().join("images/app"),
        };
        let head = git(&["rev-parse", "HEAD"]);
        let laid_out = lay_out(&request(Tree::Commit, &head), &workspace, runner).unwrap();
        assert_eq!(fs::read_to_string(laid_out.join("crates/file")).unwrap(), "committed");
        assert!(laid_out.join("benches/file").exists() && !laid_out.join("crates/new").exists());
        assert!(!laid_out.with_extension("tar").exists());

        // The files of the commit were removed.
        let laid_out = lay_out(&request(Tree::Working, &head), &workspace, runner).unwrap();
        assert_eq!(fs::read_to_string(laid_out.join("crates/file")).unwrap(), "changed");
        assert!(!laid_out.join("benches/file").exists() && !laid_out.join("crates/new").exists());

        let unknown = lay_out(&request(Tree::Commit, &"0".repeat(40)), &workspace, runner).unwrap_err();
        assert!(unknown.report().contains("help: fetch the commit"), "{}", unknown.report());
    }
}
