//! Finds or builds the MySQL plugin's library.

use std::env;
use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;

use crate::command::Command;
use crate::error::Error;

/// The environment variable that names the library, for programs that run without the workspace.
const VARIABLE: &str = "RDS_IAM_MYSQL_PLUGIN";

const PACKAGE: &str = "rds-iam-mysql-plugin";

/// Returns the path of the plugin's library: `RDS_IAM_MYSQL_PLUGIN`, or else the workspace's, built now.
pub(crate) async fn plugin() -> Result<PathBuf, Error> {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    match env::var_os(VARIABLE).map(PathBuf::from) {
        // Docker requires an absolute path.
        Some(path) if path.is_file() => path.canonicalize().map_err(Error::io("find", &path)),
        Some(path) => Err(Error::Setting {
            setting: VARIABLE,
            value: path.display().to_string(),
            problem: format!("no such file: build it with `cargo build -p {PACKAGE}`"),
        }),
        None => BUILT.get_or_try_init(build).await.cloned(),
    }
}

async fn build() -> Result<PathBuf, Error> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !workspace.is_dir() {
        return Err(Error::Setting {
            setting: VARIABLE,
            value: String::new(),
            problem: format!(
                "the sources in {} are gone: name the plugin's library (libAWSAuthenticationPlugin.so)",
                workspace.display()
            ),
        });
    }
    tracing::debug!("building the MySQL plugin");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let messages = Command::new(cargo)
        .args(["build", "--quiet", "--package", PACKAGE, "--message-format=json-render-diagnostics"])
        .output_in(workspace)
        .await?;
    library_in(&messages).ok_or_else(|| Error::Setting {
        setting: VARIABLE,
        value: String::new(),
        problem: format!("cargo named no library for {PACKAGE}: build it yourself and name it here"),
    })
}

/// Returns the library's path from cargo's output, one JSON object per line.
fn library_in(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let files = messages
        .filter(|m| m["reason"] == "compiler-artifact" && m["target"]["name"] == "AWSAuthenticationPlugin")
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
{"reason":"compiler-artifact","target":{"name":"AWSAuthenticationPlugin"},"filenames":["/t/libAWSAuthenticationPlugin.so"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(library_in(messages), Some("/t/libAWSAuthenticationPlugin.so".into()));
        assert_eq!(library_in("{}"), None);
    }
}
