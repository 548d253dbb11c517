//! The measured programs: finds them beside this one, and starts them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::process::{Child, Command};

/// Returns the path of a program, which `cargo xtask bench` builds into the folder of this one.
pub(crate) fn path(name: &str) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("finding this program's own folder")?;
    let program = program.with_file_name(name);
    ensure!(
        program.is_file(),
        "there is no {}, which is what is measured: `cargo xtask bench` builds it, and so does `cargo build --release \
         --package rds-iam-app --package rds-iam-bootstrap --package rds-iam --package rds-iam-bench`",
        program.display()
    );
    Ok(program)
}

/// Starts a program with this environment alone, and pipes to its input and output. Its errors go to this terminal.
pub(crate) fn spawn(
    program: &Path,
    arguments: &[&str],
    environment: &[(&str, String)],
) -> anyhow::Result<Child> {
    #[expect(clippy::disallowed_methods, reason = "the one place of this program that starts others")]
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    command.spawn().with_context(|| format!("starting {}", program.display()))
}
