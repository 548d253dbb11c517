//! The folders of the workspace, and shells that start programs in them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use xshell::{Cmd, Shell, cmd};

/// Set to any value if xtask and the programs that it runs were built elsewhere and are in the target folder:
/// a job with an environment's role builds nothing and does not run cargo.
const PREBUILT_VARIABLE: &str = "RDS_IAM_PREBUILT";

/// The libraries that the database servers load in tests and the demo: the environment variable with the path, and the
/// name of the file.
const SERVER_LIBRARIES: [(&str, &str); 2] =
    [("RDS_IAM_MYSQL_PLUGIN", "libAWSAuthenticationPlugin.so"), ("RDS_IAM_POSTGRES_PAM", "libpam.so")];

/// The packages of these libraries.
pub(crate) const SERVER_LIBRARY_PACKAGES: [&str; 2] = ["rds-iam-mysql-plugin", "rds-iam-postgres-pam"];

/// The folders of the workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Whether the programs were built elsewhere.
    pub(crate) is_prebuilt: bool,
}

impl Workspace {
    /// Returns the folder above xtask's own. Cargo's environment variable has precedence, so that a target
    /// folder shared by two clones works in each. A program that was built elsewhere is started in the
    /// workspace's folder.
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

    /// Returns a shell in the caller's own folder, to which relative paths of a command line refer.
    pub(crate) fn shell_here(&self) -> anyhow::Result<Shell> {
        Ok(Shell::new()?)
    }

    /// Returns cargo's target folder; respects `CARGO_TARGET_DIR` and cargo's configuration.
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
/// not supported.
fn text<'t>(json: &'t str, key: &str) -> Option<&'t str> {
    let (_, rest) = json.split_once(&format!("\"{key}\":\""))?;
    let (text, _) = rest.split_once('"')?;
    (!text.contains('\\')).then_some(text)
}

/// Returns the variables that name the database servers' libraries, which cargo built in a profile's folder below the
/// target folder.
pub(crate) fn server_libraries(binaries: &Path) -> [(&'static str, PathBuf); 2] {
    SERVER_LIBRARIES.map(|(variable, file)| (variable, binaries.join(file)))
}

/// Returns the command without the variables that `cargo run` set for this package. A nested cargo must not
/// get them: build scripts watch some of these variables, and everything would be built twice.
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
