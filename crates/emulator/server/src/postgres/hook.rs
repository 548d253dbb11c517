//! Finds or compiles the module that PostgreSQL preloads, against the headers of the server's version.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use tracing::info;

use super::config::HOOK;
use super::versions::PostgresVersion;
use crate::command::{self, Command};
use crate::error::Error;
use crate::host::cache::Entry;
use crate::host::debian::Architecture;
use crate::host::docker::digest;
use crate::host::file::copy_folder;
use crate::host::package::Package;

/// The environment variable that names the module, for machines without a compiler.
const VARIABLE: &str = "RDS_IAM_POSTGRES_HOOK";

const SOURCE: &str = include_str!("../../../postgres-hook/rds_iam_hook.c");

/// The compiler's options: see `postgres-hook/README.md`.
const OPTIONS: [&str; 8] =
    ["-std=gnu11", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Werror"];

/// Returns the path of the module: `RDS_IAM_POSTGRES_HOOK`, or else the one for this version, compiled now if needed.
pub(crate) async fn module(version: PostgresVersion) -> Result<PathBuf, Error> {
    if let Some(path) = env::var_os(VARIABLE).map(PathBuf::from) {
        return if path.is_file() { Ok(path) } else { Err(no_file(&path)) };
    }
    let mut parts = vec![SOURCE];
    parts.extend(OPTIONS);
    let entry = Entry::lock(&format!("postgres-hook-{version}-{}", digest(&parts))).await?;
    let library = |folder: &Path| folder.join(HOOK).with_extension("so");
    if let Some(folder) = entry.existing() {
        return Ok(library(folder));
    }
    let missing = command::missing(&["cc"]);
    if !missing.is_empty() {
        return Err(Error::MissingTools {
            purpose: "compile the module that PostgreSQL preloads",
            tools: missing,
            hint: "install a C compiler, or name a compiled module in RDS_IAM_POSTGRES_HOOK",
        });
    }
    let headers = headers(version).await?;
    info!("compiling the module that PostgreSQL preloads");
    let scratch = entry.begin()?;
    let source = scratch.join(HOOK).with_extension("c");
    fs::write(&source, SOURCE).map_err(Error::io("write", &source))?;
    Command::new("cc")
        .args(OPTIONS)
        .arg("-isystem")
        .arg(headers)
        .arg("-o")
        .arg(library(&scratch))
        .arg(&source)
        .output()
        .await?;
    entry.finish(&scratch).map(|folder| library(&folder))
}

fn no_file(path: &Path) -> Error {
    Error::Setting {
        setting: VARIABLE,
        value: path.display().to_string(),
        problem:
            "no such file: compile crates/emulator/postgres-hook/rds_iam_hook.c for the server's version"
                .into(),
    }
}

/// Returns the folder of the server's header files in the cache, and downloads them first if missing.
async fn headers(version: PostgresVersion) -> Result<PathBuf, Error> {
    let architecture = Architecture::of_this_machine()?.debian;
    let package = Package {
        entry: &format!("postgres-headers-{version}-{architecture}"),
        suite: version.suite(),
        name: &format!("postgresql-server-dev-{version}"),
        product: &format!("the header files of PostgreSQL {version}"),
        purpose: "fetch PostgreSQL's header files from Debian's packages",
        hint: "run on Debian or a system derived from it, or name a compiled module in RDS_IAM_POSTGRES_HOOK",
    };
    let server = format!("usr/include/postgresql/{version}/server");
    package.cached(|from, to| copy_folder(&from.join(server), to)).await
}
