//! PostgreSQL's own clients from Debian's packages, without an installation: `psql`, and pgjdbc, the driver for Java.
//! For tests with them.

use std::fs;
use std::path::PathBuf;

use tracing::info;

use super::tree::programs;
use super::versions::PostgresVersion;
use crate::error::Error;
use crate::host::cache::Entry;
use crate::host::debian::{self, Apt, Architecture};
use crate::host::file::copy_file;
use crate::host::shared::set_mode;
use crate::host::tree::{Recipe, Tree};

/// The version of `psql`, and the one in whose suite pgjdbc is.
const VERSION: PostgresVersion = PostgresVersion::NEWEST;

/// See [`Recipe::not_needed`].
const NOT_NEEDED: [&str; 13] = [
    "debconf",
    "debianutils",
    "libbz2",
    "libc-gconv-modules-extra",
    "libdb",
    "libgdbm",
    "libperl",
    "netbase",
    "openssl-provider-legacy",
    "perl",
    "postgresql-client-common",
    "readline-common",
    "sensible-utils",
];

/// The pgjdbc driver in its package.
const PGJDBC: &str = "usr/share/java/postgresql.jar";

/// The way around packages that can't be fetched.
const HINT: &str = "run on Debian or a system derived from it";

/// Returns the path of `psql`, of the newest version that the emulator runs, and downloads it into the cache first if
/// missing.
///
/// # Errors
/// Returns [`Error::MissingTools`] without apt, and [`Error::Command`] with its message if it can't fetch.
pub async fn psql() -> Result<PathBuf, Error> {
    let program = format!("{}/psql", programs(VERSION));
    let recipe = Recipe {
        name: format!("psql-{VERSION}"),
        version: "1",
        product: "psql",
        suite: VERSION.suite(),
        server: format!("postgresql-client-{VERSION}"),
        packages: &["dash"],
        not_needed: &NOT_NEEDED,
        programs: vec![program.clone()],
        hint: HINT,
        shared: false,
    };
    let tree = Tree::from_cache(&recipe, |gather| {
        let path = gather.root.join(&program);
        fs::rename(&path, path.with_extension("bin")).map_err(Error::io("rename", &path))?;
        gather.write(&program, &script(gather.architecture))?;
        set_mode(&path, 0o755)
    });
    Ok(tree.await?.root().join(program))
}

/// Returns the script in place of a program: it finds the tree by its own path.
fn script(architecture: &Architecture) -> String {
    let Architecture { loader, triplet, .. } = architecture;
    format!(
        r#"#!/bin/sh
root=${{0%/usr/lib/postgresql/*}}
exec "$root/{loader}" --argv0 "$0" --library-path "$root/usr/lib/{triplet}" "$0.bin" "$@"
"#
    )
}

/// Returns the path of pgjdbc, a `.jar` file, and downloads it into the cache first if missing.
///
/// # Errors
/// Returns [`Error::MissingTools`] without apt, and [`Error::Command`] with its message if it can't fetch.
pub async fn pgjdbc() -> Result<PathBuf, Error> {
    let entry = Entry::lock("pgjdbc-1").await?;
    let file = "postgresql.jar";
    if let Some(folder) = entry.existing() {
        return Ok(folder.join(file));
    }
    let missing = debian::missing_tools();
    if !missing.is_empty() {
        return Err(Error::MissingTools {
            purpose: "fetch pgjdbc from Debian's packages",
            tools: missing,
            hint: HINT,
        });
    }
    let scratch = entry.begin()?;
    let apt = Apt::of_suite(&scratch, VERSION.suite(), Architecture::of_this_machine()?).await?;
    info!("downloading pgjdbc");
    apt.update().await?;
    let debs = apt.download(&["libpostgresql-jdbc-java"]).await?;
    let packages = scratch.join("packages");
    debian::unpack(&debs, &packages).await?;
    let only = scratch.join("only");
    copy_file(&packages.join(PGJDBC), &only.join(file))?;
    let folder = entry.finish(&only)?;
    fs::remove_dir_all(&scratch).map_err(Error::io("remove", &scratch))?;
    Ok(folder.join(file))
}
