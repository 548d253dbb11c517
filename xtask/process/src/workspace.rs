//! The folders of the workspace: root, target folder, and the shared cache.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use xshell::{Shell, cmd};

use crate::error::Error;
use crate::runner::{Cmd, Runner};

/// The help text for a missing cargo.
pub const CARGO_HELP: &str = "install Rust with rustup (https://rustup.rs)";

/// The help text for a missing git.
const GIT_HELP: &str = "apt-get install git";

/// A library of the workspace that a database server loads. Tests cannot depend on another package's library file, so
/// they get its path in an environment variable.
#[derive(Clone, Copy, Debug)]
pub struct ServerLibrary {
    /// The environment variable with the path.
    pub variable: &'static str,
    /// The name of the file that cargo builds.
    pub file: &'static str,
    /// The folder of the package.
    pub package: &'static str,
}

/// The libraries that the database servers load.
pub const SERVER_LIBRARIES: [ServerLibrary; 2] = [
    ServerLibrary {
        variable: "RDS_IAM_MYSQL_PLUGIN",
        file: "libAWSAuthenticationPlugin.so",
        package: "crates/emulator/mysql-plugin",
    },
    ServerLibrary {
        variable: "RDS_IAM_POSTGRES_PAM",
        file: "libpam.so",
        package: "crates/emulator/postgres-pam",
    },
];

/// Set to any value if xtask and the programs that it runs were built elsewhere and are in the target folder:
/// a job with an environment's role builds nothing and does not run cargo.
const PREBUILT_VARIABLE: &str = "RDS_IAM_PREBUILT";

/// Returns whether the programs were built elsewhere.
pub fn is_prebuilt() -> bool {
    std::env::var_os(PREBUILT_VARIABLE).is_some_and(|value| !value.is_empty())
}

/// The folders of the workspace.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Cargo's target folder; respects `CARGO_TARGET_DIR` and cargo's configuration.
    pub target: PathBuf,
    /// The cache shared by runs and clones: tools, server trees, the emulated AWS API.
    pub cache: PathBuf,
}

impl Workspace {
    /// Determines the folders by running cargo.
    ///
    /// # Errors
    /// Returns an error if cargo cannot read the workspace, there is no path for the cache folder, or this process's
    /// working directory was removed.
    pub fn find(runner: Runner) -> Result<Self, Error> {
        // `Shell::new` needs it.
        std::env::current_dir().map_err(|error| Error::Found {
            found: format!("could not read this process's working directory: {error}"),
            help: "start it in a folder that exists".to_owned(),
        })?;
        let cache =
            cache_dir(|name| std::env::var_os(name).map(PathBuf::from)).ok_or_else(|| Error::Found {
                found: "there is no folder to keep tools and servers in".to_owned(),
                help: "set RDS_IAM_CACHE_DIR to a folder that may hold about 1 GB".to_owned(),
            })?;
        let root = root();
        if is_prebuilt() {
            return Ok(Self { target: root.join("target"), root, cache });
        }
        let metadata = cargo(&root, ["metadata", "--no-deps", "--format-version=1"])
            .hint("the manifest named above is broken");
        let answer = |what: &str| Error::Answer { command: metadata.shown(), what: what.to_owned() };
        let printed = runner.ask(&metadata)?;
        let parsed: Value = serde_json::from_str(&printed).map_err(|error| answer(&error.to_string()))?;
        let target = parsed["target_directory"].as_str().ok_or_else(|| answer("no target_directory"))?;
        Ok(Self { target: PathBuf::from(target), root, cache })
    }

    /// Returns a shell in the workspace's root, for xshell's `cmd!`.
    ///
    /// # Panics
    /// Panics if this process's working directory was removed since [`Self::find`].
    pub fn shell(&self) -> Shell {
        let shell = Shell::new().expect("the current folder exists");
        shell.change_dir(&self.root);
        shell
    }

    /// Returns a git command in the workspace's root. It accepts a folder of another owner: the repository's code is built
    /// anyway, so git's check of the owner adds no protection.
    pub fn git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Cmd {
        let (shell, trust) = (self.shell(), format!("safe.directory={}", self.root.display()));
        Cmd::from_xshell(cmd!(shell, "git -c {trust} {args...}"), GIT_HELP)
    }

    /// Returns a cargo command in the workspace's root.
    pub fn cargo<S: Into<String>>(&self, args: impl IntoIterator<Item = S>) -> Cmd {
        cargo(&self.root, args)
    }

    /// Creates a command of another program in the workspace's root; `help` is printed if the program is
    /// missing.
    pub fn tool(&self, program: &str, help: String) -> Cmd {
        Cmd::new(program, &self.root, help)
    }

    /// Returns the path of a library that cargo built in the profile `debug`.
    pub fn server_library(&self, library: ServerLibrary) -> PathBuf {
        self.target.join("debug").join(library.file)
    }

    /// Returns `cmd` with the variables that name the database servers' libraries.
    pub fn with_server_libraries(&self, cmd: Cmd) -> Cmd {
        SERVER_LIBRARIES.into_iter().fold(cmd, |cmd, library| {
            cmd.env(library.variable, self.server_library(library).display().to_string())
        })
    }
}

/// Returns the workspace's folder, which contains the running package's. Cargo's environment variable has
/// precedence, so that a target folder shared by two clones works in each. A program that was built elsewhere
/// is started in the workspace's folder.
pub fn root() -> PathBuf {
    if let (true, Ok(here)) = (is_prebuilt(), std::env::current_dir()) {
        return here;
    }
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let is_workspace = |folder: &&Path| folder.join("Cargo.lock").is_file();
    own.ancestors().find(is_workspace).unwrap_or(&own).to_owned()
}

fn cargo<S: Into<String>>(dir: &Path, args: impl IntoIterator<Item = S>) -> Cmd {
    Cmd::new("cargo", dir, CARGO_HELP).args(args)
}

/// Returns the cache folder: `RDS_IAM_CACHE_DIR`, else `$XDG_CACHE_HOME/rds-iam`, else `~/.cache/rds-iam`, by
/// the same rule as the emulator. A relative XDG folder is ignored, as its specification requires.
fn cache_dir(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|path| !path.as_os_str().is_empty());
    set("RDS_IAM_CACHE_DIR")
        .or_else(|| set("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("rds-iam")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/rds-iam")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(variables: &[(&str, &str)]) -> Option<String> {
        let found = cache_dir(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| PathBuf::from(value))
        });
        found.map(|path| path.display().to_string())
    }

    #[test]
    fn the_cache_folder_is_our_own_variable_then_xdg_then_home() {
        let (own, xdg, home) = (("RDS_IAM_CACHE_DIR", "/own"), ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/h"));
        assert_eq!(cache(&[own, xdg, home]).as_deref(), Some("/own"));
        assert_eq!(cache(&[xdg, home]).as_deref(), Some("/xdg/rds-iam"));
        assert_eq!(cache(&[home]).as_deref(), Some("/h/.cache/rds-iam"));
        assert_eq!(cache(&[("XDG_CACHE_HOME", "relative"), home]).as_deref(), Some("/h/.cache/rds-iam"));
        assert_eq!(cache(&[("RDS_IAM_CACHE_DIR", ""), home]).as_deref(), Some("/h/.cache/rds-iam"));
        assert_eq!(cache(&[]), None);
    }
}
