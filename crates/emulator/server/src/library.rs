//! Finds or builds the libraries that check tokens within the servers: MySQL's plugin, and libpam for PostgreSQL.

use std::env;
use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;

use crate::command::Command;
use crate::error::Error;

/// MySQL's plugin.
pub(crate) const MYSQL_PLUGIN: Library = Library {
    package: "rds-iam-mysql-plugin",
    name: "AWSAuthenticationPlugin",
    variable: "RDS_IAM_MYSQL_PLUGIN",
    built: &MYSQL_PLUGIN_BUILT,
};

/// PostgreSQL's libpam.
pub(crate) const POSTGRES_PAM: Library = Library {
    package: "rds-iam-postgres-pam",
    name: "pam",
    variable: "RDS_IAM_POSTGRES_PAM",
    built: &POSTGRES_PAM_BUILT,
};

static MYSQL_PLUGIN_BUILT: OnceCell<PathBuf> = OnceCell::const_new();
static POSTGRES_PAM_BUILT: OnceCell<PathBuf> = OnceCell::const_new();

/// A library of this workspace.
pub(crate) struct Library {
    package: &'static str,
    /// The name of its target: the file is `lib<name>.so`.
    name: &'static str,
    /// The environment variable that names the file, for programs that run without the workspace.
    variable: &'static str,
    /// The file that this process built.
    built: &'static OnceCell<PathBuf>,
}

impl Library {
    /// Returns the path of the library: that of its environment variable, or else the workspace's, built now.
    pub(crate) async fn path(&self) -> Result<PathBuf, Error> {
        match env::var_os(self.variable).map(PathBuf::from) {
            // Docker requires an absolute path.
            Some(path) if path.is_file() => path.canonicalize().map_err(Error::io("find", &path)),
            Some(path) => Err(self.wrong(
                &path.display().to_string(),
                format!("no such file: build it with `cargo build -p {}`", self.package),
            )),
            None => self.built.get_or_try_init(|| self.build()).await.cloned(),
        }
    }

    async fn build(&self) -> Result<PathBuf, Error> {
        let Self { package, name, .. } = self;
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        if !workspace.is_dir() {
            let gone = workspace.display();
            return Err(self.wrong("", format!("the sources in {gone} are gone: name lib{name}.so")));
        }
        tracing::info!("building {package} with cargo");
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let messages = Command::new(cargo)
            .args(["build", "--quiet", "--package", package, "--message-format=json-render-diagnostics"])
            .output_in(workspace)
            .await?;
        let problem = || format!("cargo named no library for {package}: build it yourself and name it here");
        library_in(&messages, name).ok_or_else(|| self.wrong("", problem()))
    }

    fn wrong(&self, value: &str, problem: String) -> Error {
        Error::Setting { setting: self.variable, value: value.into(), problem }
    }
}

/// Returns the library's path from cargo's output, one JSON object per line.
fn library_in(messages: &str, name: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let files = messages
        .filter(|m| m["reason"] == "compiler-artifact" && m["target"]["name"] == name)
        .filter_map(|m| Some(m["filenames"].as_array()?.clone()))
        .flatten();
    files.filter_map(|f| f.as_str().map(PathBuf::from)).find(|f| f.extension().is_some_and(|e| e == "so"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_found_among_cargos_messages() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"name":"serde"},"filenames":["/t/libserde.rlib"]}
{"reason":"compiler-artifact","target":{"name":"pam"},"filenames":["/t/libpam.rlib","/t/libpam.so"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(library_in(messages, "pam"), Some("/t/libpam.so".into()));
        assert_eq!(library_in(messages, "serde"), None);
        assert_eq!(library_in("{}", "pam"), None);
    }
}
