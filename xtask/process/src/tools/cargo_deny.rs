//! cargo-deny, built into the cache if the machine does not have the pinned version.

use std::path::PathBuf;

use xshell::cmd;

use crate::console::{Console, Style};
use crate::error::Error;
use crate::file;
use crate::runner::{Cmd, Runner};
use crate::workspace::{CARGO_HELP, Workspace};

/// The version of cargo-deny that `deny.toml` is written for.
pub const CARGO_DENY_VERSION: &str = "0.20.2";

/// Returns the help for an operator who prefers cargo-deny on `PATH`.
pub fn cargo_deny_help() -> String {
    format!("cargo install --locked --version {CARGO_DENY_VERSION} cargo-deny")
}

/// Finds a cargo-deny of the pinned version on `PATH` or in the cache.
pub fn find_cargo_deny(workspace: &Workspace, runner: Runner) -> Option<String> {
    let cached = cached(workspace).join("bin/cargo-deny").display().to_string();
    let shell = workspace.shell();
    ["cargo-deny".to_owned(), cached].into_iter().find(|program| {
        let asked = Cmd::from_xshell(cmd!(shell, "{program} --version"), cargo_deny_help());
        runner.ask(&asked).is_ok_and(|version| version.trim() == format!("cargo-deny {CARGO_DENY_VERSION}"))
    })
}

/// Returns the pinned cargo-deny, and builds it into the cache if missing.
///
/// # Errors
/// Returns an error if it cannot be built.
pub fn cargo_deny(workspace: &Workspace, console: Console, runner: Runner) -> Result<String, Error> {
    if let Some(program) = find_cargo_deny(workspace, runner) {
        return Ok(program);
    }
    let root = cached(workspace);
    console.line(&console.paint(
        Style::Warning,
        &format!(
            "cargo-deny {CARGO_DENY_VERSION} is not here yet: building it into {} (once; about 2 minutes on two cores)",
            root.display()
        ),
    ));
    // A fixed name: the next build reuses and removes the files of an interrupted one.
    let build = BuildFolder(workspace.cache.join("tmp").join(format!("cargo-deny-{CARGO_DENY_VERSION}")));
    // It runs for a second: optimisation would cost many times more than it saves.
    let (shell, target) = (workspace.shell(), &build.0);
    let install = cmd!(
        shell,
        "cargo install --locked --version {CARGO_DENY_VERSION} cargo-deny --root {root} --target-dir {target}"
    );
    let install = Cmd::from_xshell(install, CARGO_HELP)
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .hint(format!("the registry may be unreachable; with network: {}", cargo_deny_help()));
    runner.run(&install)?;
    build.remove()?;
    Ok(root.join("bin/cargo-deny").display().to_string())
}

fn cached(workspace: &Workspace) -> PathBuf {
    workspace.cache.join("tools").join(format!("cargo-deny-{CARGO_DENY_VERSION}"))
}

/// A folder that is removed when dropped; [`BuildFolder::remove`] reports an error instead.
struct BuildFolder(PathBuf);

impl BuildFolder {
    fn remove(&self) -> Result<(), Error> {
        file::remove_folder(&self.0)
    }
}

impl Drop for BuildFolder {
    fn drop(&mut self) {
        // An earlier failure is being returned, which is the one to report.
        drop(file::remove_folder(&self.0));
    }
}
