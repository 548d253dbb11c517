//! The pipeline's program: built if necessary, and started with the arguments of the command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;
use xshell::cmd;

use crate::workspace::{Workspace, plain};

/// The name of the package and of its program.
const PACKAGE: &str = "rds-iam-pipeline";

/// Replaces this process with the program: it gets the terminal, the signals and the exit status. Returns
/// only if it could not be started.
pub(crate) fn become_program(workspace: &Workspace, words: &[OsString]) -> anyhow::Error {
    match command(workspace, words) {
        Ok(mut command) => anyhow::Error::new(command.exec())
            .context(format!("starting {}", command.get_program().to_string_lossy())),
        Err(error) => error,
    }
}

/// Returns the program with these arguments, in the caller's own folder. Cargo reports on standard error what it builds,
/// and that it waits for another cargo.
pub(crate) fn command(workspace: &Workspace, words: &[impl AsRef<OsStr>]) -> anyhow::Result<Command> {
    let shell = workspace.shell_here()?;
    let command = if workspace.is_prebuilt {
        let own = std::env::current_exe().context("finding xtask's own program")?;
        let program = own.with_file_name(PACKAGE);
        cmd!(shell, "{program} {words...}")
    } else {
        let manifest = workspace.root.join("Cargo.toml");
        cmd!(shell, "cargo run --manifest-path {manifest} --package {PACKAGE} -- {words...}")
    };
    Ok(plain(command).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(workspace: &Workspace, words: &[&str]) -> Vec<String> {
        let command = command(workspace, words).unwrap();
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn words_are_passed_on_as_they_are() {
        let workspace = Workspace { root: "/r".into(), is_prebuilt: false };
        let words = ["deploy", "--env", "a b", "--", "--help"];
        let shown = shown(&workspace, &words);
        assert_eq!(shown[..5], ["cargo", "run", "--manifest-path", "/r/Cargo.toml", "--package"]);
        assert_eq!(shown[5..], [&[PACKAGE, "--"], &words[..]].concat());
    }

    #[test]
    fn what_was_built_elsewhere_lies_beside_us() {
        let workspace = Workspace { root: "/r".into(), is_prebuilt: true };
        let beside = std::env::current_exe().unwrap().with_file_name(PACKAGE);
        assert_eq!(shown(&workspace, &["ci"]), [beside.to_str().unwrap(), "ci"]);
    }
}
