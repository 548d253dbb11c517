//! Where things are, and a shell that starts programs there.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use xshell::{Cmd, Shell, cmd};

/// Set, to anything, where xtask and the programs that it runs were built elsewhere and lie in the target folder: a job
/// with an environment's role builds nothing and does not ask cargo.
const PREBUILT_VARIABLE: &str = "RDS_IAM_PREBUILT";

/// Where tests and the demo find the plugin that the server loads.
pub(crate) const PLUGIN_VARIABLE: &str = "RDS_IAM_MYSQL_PLUGIN";

/// The folders that tasks work in.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Whether the programs were built elsewhere.
    pub(crate) is_prebuilt: bool,
}

impl Workspace {
    /// Returns the folder above xtask's own. From the environment where cargo started us, so that a target
    /// folder shared by two clones works in each. Built elsewhere, we are started in it.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let is_prebuilt = std::env::var_os(PREBUILT_VARIABLE).is_some_and(|value| !value.is_empty());
        if is_prebuilt {
            let root = std::env::current_dir().context("finding the current folder")?;
            return Ok(Self { root, is_prebuilt });
        }
        let own = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = own.parent().map_or_else(|| own.clone(), Path::to_owned);
        Ok(Self { root, is_prebuilt })
    }

    /// Returns a shell in the workspace's root.
    pub(crate) fn shell(&self) -> anyhow::Result<Shell> {
        let shell = self.shell_here()?;
        shell.change_dir(&self.root);
        Ok(shell)
    }

    /// Returns a shell in the caller's own folder, which relative paths of a command line are relative to.
    pub(crate) fn shell_here(&self) -> anyhow::Result<Shell> {
        Ok(Shell::new()?)
    }

    /// Where cargo builds: `CARGO_TARGET_DIR` and cargo's own settings are honoured.
    pub(crate) fn target(&self) -> anyhow::Result<PathBuf> {
        if self.is_prebuilt {
            return Ok(self.root.join("target"));
        }
        let shell = self.shell()?;
        let metadata = cmd!(shell, "cargo metadata --no-deps --format-version=1").quiet().read()?;
        let target = text(&metadata, "target_directory").context("cargo metadata has no target_directory")?;
        Ok(target.into())
    }
}

/// Returns the text under a key of JSON that cargo printed on one line. A path with a quote or a backslash is
/// not understood.
fn text<'t>(json: &'t str, key: &str) -> Option<&'t str> {
    let (_, rest) = json.split_once(&format!("\"{key}\":\""))?;
    let (text, _) = rest.split_once('"')?;
    (!text.contains('\\')).then_some(text)
}

/// Returns the MySQL plugin that cargo built in a folder of the target's.
pub(crate) fn mysql_plugin(binaries: &Path) -> PathBuf {
    binaries.join("libAWSAuthenticationPlugin.so")
}

/// Returns the command without what `cargo run` told *us* about our own package. A cargo that we start must not
/// see it: build scripts watch some of these variables, and everything would be built twice.
pub(crate) fn plain(command: Cmd<'_>) -> Cmd<'_> {
    let of_us = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| of_us(&name.to_string_lossy())).fold(command, Cmd::env_remove)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_folder_is_read_of_what_cargo_prints() {
        let json = r#"{"packages":[],"target_directory":"/a b/target","version":1}"#;
        assert_eq!(text(json, "target_directory"), Some("/a b/target"));
        assert_eq!(text(json, "version"), None);
        assert_eq!(text(r#"{"target_directory":"C:\\x"}"#, "target_directory"), None);
    }
}
