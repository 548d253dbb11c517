//! The context of a run: the commit, the environment, and the paths of its files.

use std::path::{Path, PathBuf};

use crate::environment::{Environment, EnvironmentKind};
use sha2::{Digest, Sha256};

use rds_iam_images::image::Bases;
use rds_iam_process::error::Error;
use rds_iam_process::runner::Runner;
use rds_iam_process::workspace::Workspace;

/// The context that is passed to every stage of a run.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) commit: Commit,
    /// The environment; `None` for a run without one: a pull request.
    pub(crate) environment: Option<Environment>,
    /// The source, digest and reason of a promotion.
    pub(crate) promotion: Option<Promotion>,
    /// The base images.
    pub(crate) bases: Bases,
    /// Gates and other stages skipped by the operator.
    pub(crate) skipped: Vec<String>,
    /// Whether this run plans a change.
    pub(crate) plans: bool,
    /// Whether this run applies its plan, and therefore holds the state's lock in the meantime.
    pub(crate) applies: bool,
    /// Whether this run destroys the deployment.
    pub(crate) destroys: bool,
    /// Whether to destroy the database without a last snapshot.
    pub(crate) no_snapshot: bool,
    /// Scan statuses with which an image that the registry did not scan is accepted.
    pub(crate) accept_scan: Vec<String>,
    /// The current time, in seconds since 1970.
    pub(crate) now: i64,
}

/// A promotion's source, digest and reason.
#[derive(Debug)]
pub(crate) struct Promotion {
    pub(crate) from: Environment,
    pub(crate) digest: Option<String>,
    /// Gates that are accepted as skipped.
    pub(crate) accept_skipped: Vec<String>,
    /// The reason, for the record.
    pub(crate) reason: String,
}

/// The checked-out commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    /// The ID, 40 hexadecimal digits.
    pub(crate) id: String,
    /// The time of the commit, RFC 3339.
    pub(crate) time: String,
    /// A digest of the changes to tracked files, if there are any.
    pub(crate) changes: Option<String>,
    /// The repository's URL without credentials; empty if it has none.
    pub(crate) source: String,
}

impl Commit {
    /// Reads the commit from git.
    ///
    /// # Errors
    /// Returns an error if this is not a clone, or it has no commit.
    pub(crate) fn find(workspace: &Workspace, runner: Runner) -> Result<Self, Error> {
        let git = |args: &[&str]| {
            workspace.git(args.iter().copied()).hint("the pipeline works on a clone with a commit")
        };
        let ask = |args: &[&str]| runner.ask(&git(args)).map(|answer| answer.trim().to_owned());
        let untracked = ["ls-files", "-z", "--others", "--exclude-standard", "--", "terraform"];
        let changed = runner.ask(&git(&["diff", "--binary", "--no-ext-diff", "HEAD"]))?
            + &new_files(&runner.ask(&git(&untracked))?, &workspace.root)?;
        // A missing remote is not an error.
        let source = ask(&["remote", "get-url", "origin"]).unwrap_or_default();
        let show = git(&["show", "-s", "--no-show-signature", "--format=%ct", "HEAD"]);
        let epoch: i64 = runner.ask(&show)?.trim().parse().map_err(Error::answer(&show))?;
        Ok(Self {
            id: ask(&["rev-parse", "HEAD"])?,
            time: rds_iam_process::clock::rfc3339(epoch),
            changes: (!changed.is_empty()).then(|| hex::encode(&Sha256::digest(changed)[..6])),
            source: web_address(&source),
        })
    }

    /// Returns the abbreviated ID.
    pub(crate) fn short(&self) -> String {
        let changes = if self.changes.is_some() { " and changes" } else { "" };
        format!("{}{changes}", &self.id[..self.id.len().min(12)])
    }

    /// Returns the identity used in gate results, plans and image tags: the commit, with the digest of
    /// changes.
    pub(crate) fn identity(&self) -> String {
        self.changes.as_ref().map_or_else(|| self.id.clone(), |changes| format!("{}-{changes}", self.id))
    }
}

/// Returns the names and digests of files that Terraform would read and git does not track; `listed` is git's
/// output, with NUL after each name.
fn new_files(listed: &str, root: &Path) -> Result<String, Error> {
    let mut text = String::new();
    for name in listed.split_terminator('\0') {
        let path = root.join(name);
        let bytes = std::fs::read(&path).map_err(|error| Error::Found {
            found: format!("could not read the new file {}: {error}", path.display()),
            help: "plans and gate results are bound to each new file in terraform/: make it readable, remove it, or add it \
                   to .gitignore"
                .to_owned(),
        })?;
        text.push_str(&format!("{name} {}\n", hex::encode(Sha256::digest(bytes))));
    }
    Ok(text)
}

/// Returns `https://host/path` for a remote; empty for a folder on this machine.
fn web_address(remote: &str) -> String {
    let remote = remote.trim_end_matches(".git");
    if let Some((host, path)) = remote.strip_prefix("git@").and_then(|rest| rest.split_once(':')) {
        return format!("https://{host}/{path}");
    }
    let Some((_, rest)) = remote.split_once("://").filter(|(scheme, _)| *scheme != "file") else {
        return String::new();
    };
    // A token in the URL of a clone must not be written to an image.
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("https://{host}/{path}").trim_end_matches('/').to_owned()
}

impl Context<'_> {
    /// Returns the folder of this run's files; those of an environment are kept after the run.
    pub(crate) fn folder(&self) -> PathBuf {
        let name = self.environment.as_ref().map_or("ci", |environment| environment.name.as_str());
        folder(self.workspace).join(name)
    }

    /// Returns the path of a file of this run.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Returns the path of a file in the bundle that one job passes to the next: a plan with its manifest,
    /// and the gates' results.
    pub(crate) fn bundle(&self, name: &str) -> PathBuf {
        self.folder().join("bundle").join(name)
    }

    /// Returns the folder of this run's images.
    pub(crate) fn images(&self) -> PathBuf {
        self.file("images")
    }

    /// Returns the path of the file with the commit, and its changes, that those images were built from.
    pub(crate) fn images_of(&self) -> PathBuf {
        self.images().join("commit")
    }

    /// Returns the path of a gate's findings, for code scanning.
    pub(crate) fn sarif(&self, name: &str) -> PathBuf {
        folder(self.workspace).join("sarif").join(format!("{name}.sarif"))
    }

    /// Returns the environment. Stages that only exist in runs for an environment can rely on it.
    ///
    /// # Errors
    /// Returns an error if the run has no environment.
    pub(crate) fn environment(&self) -> Result<&Environment, Error> {
        self.environment.as_ref().ok_or_else(|| Error::Found {
            found: "this stage is for an environment, and none was named".to_owned(),
            help: "name one: --env E".to_owned(),
        })
    }

    /// Returns whether a gate may be skipped. For a deployment to AWS, checkov may not: it alone judges whether databases
    /// are public or unencrypted, and whether instances accept IMDSv1 (docs/adr/0018).
    pub(crate) fn may_skip(&self, gate: &str) -> bool {
        self.is_local() || gate != "checkov"
    }

    /// Returns whether stages run against the account on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.environment.as_ref().is_some_and(|environment| environment.kind == EnvironmentKind::Local)
    }
}

/// Returns the folder of all files that the pipeline writes.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("pipeline")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_that_can_not_be_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a\n\u{e9}.tf"), "a").unwrap();
        let one = new_files("a\n\u{e9}.tf\0", folder.path()).unwrap();
        assert!(one.starts_with("a\n\u{e9}.tf ca978112"), "{one}");
        let error = new_files("a\n\u{e9}.tf\0gone.tf\0", folder.path()).unwrap_err().report();
        assert!(error.contains("gone.tf: No such file"), "{error}");
        assert!(error.contains(".gitignore"), "{error}");
    }

    #[test]
    fn a_remote_becomes_an_address_without_credentials() {
        for (remote, address) in [
            ("git@github.com:acme/orders.git", "https://github.com/acme/orders"),
            ("https://github.com/acme/orders", "https://github.com/acme/orders"),
            ("https://x-access-token:abc@github.com/acme/orders.git", "https://github.com/acme/orders"),
            ("ssh://git@github.com/acme/orders.git", "https://github.com/acme/orders"),
            ("https://bot:pa@ss@github.com/acme/orders.git", "https://github.com/acme/orders"),
            ("https://github.com/acme/orders?private_token=abc", "https://github.com/acme/orders"),
            ("/srv/orders.git", ""),
            ("file:///srv/orders.git", ""),
            ("", ""),
        ] {
            assert_eq!(web_address(remote), address, "{remote}");
        }
    }
}
