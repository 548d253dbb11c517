//! A PostgreSQL server without an installation: the recipe of its tree.
//!
//! `initdb` runs `postgres` by itself, so both are scripts that run the real program with the tree's own loader and
//! libraries. The libraries of `RDS_IAM_EMULATOR_PAM` come before the tree's.

use std::path::Path;

use super::versions::PostgresVersion;
use crate::error::Error;
use crate::host::debian::Architecture;
use crate::host::file::{copy_file, copy_folder, entries};
use crate::host::shared::set_mode;
use crate::host::tree::{Gather, Recipe, Tree};

/// The version of the recipe: see [`Recipe::version`].
pub(crate) const RECIPE: &str = "1";

/// See [`Recipe::not_needed`].
const NOT_NEEDED: [&str; 24] = [
    "adduser",
    "base-files",
    "base-passwd",
    "cdebconf",
    "debconf",
    "debianutils",
    "dpkg",
    "grep",
    "init-system-helpers",
    "libc-gconv-modules-extra",
    "libdb",
    "libgdbm",
    "libllvm",
    "libpam",
    "libperl",
    "login",
    "netbase",
    "passwd",
    "perl",
    "postgresql-client",
    "postgresql-common",
    "sed",
    "ssl-cert",
    "ucf",
];

/// The programs that the scripts run.
const PROGRAMS: [&str; 2] = ["postgres", "initdb"];

/// The shared objects that the server loads: the language, the text search, and those of the extensions.
const LIBRARIES: [&str; 7] =
    ["plpgsql", "dict_snowball", "pgcrypto", "citext", "hstore", "pg_trgm", "pg_stat_statements"];

/// The extensions of the tree.
const EXTENSIONS: [&str; 6] = ["plpgsql", "pgcrypto", "citext", "hstore", "pg_trgm", "pg_stat_statements"];

/// The environment variable with the folder of libpam.
pub(crate) const PAM_VARIABLE: &str = "RDS_IAM_EMULATOR_PAM";

/// Returns the folder of the tree's programs.
pub(crate) fn programs(version: PostgresVersion) -> String {
    format!("usr/lib/postgresql/{version}/bin")
}

fn recipe(version: PostgresVersion) -> Recipe {
    let library = format!("usr/lib/postgresql/{version}/lib");
    let bin = programs(version);
    let mut files: Vec<String> = PROGRAMS.iter().map(|program| format!("{bin}/{program}")).collect();
    files.extend(LIBRARIES.iter().map(|name| format!("{library}/{name}.so")));
    // The supervising shell, which waits for the server's end.
    files.extend(["usr/bin/dash".into(), "usr/bin/sleep".into()]);
    Recipe {
        name: format!("postgres-{version}"),
        version: RECIPE,
        product: "PostgreSQL",
        suite: version.suite(),
        server: format!("postgresql-{version}"),
        packages: &["dash", "coreutils"],
        not_needed: &NOT_NEEDED,
        programs: files,
        hint: "run on Debian or a system derived from it, or select another version with RDS_IAM_EMULATOR_POSTGRES",
        shared: true,
    }
}

/// Returns the tree in the cache, and downloads it first if missing.
pub(crate) async fn from_cache(version: PostgresVersion) -> Result<Tree, Error> {
    Tree::from_cache(&recipe(version), |gather| complete(gather, version)).await
}

/// Copies what the server reads, and writes the scripts.
fn complete(gather: &Gather<'_>, version: PostgresVersion) -> Result<(), Error> {
    let Gather { packages, root, architecture } = gather;
    let share = format!("usr/share/postgresql/{version}");
    for path in entries(&packages.join(&share))? {
        let name = path.file_name().unwrap_or_default();
        let to = root.join(&share).join(name);
        match name.to_str() {
            Some("extension") => copy_extensions(&path, &to)?,
            Some("man" | "locale") => {}
            _ if path.is_dir() => copy_folder(&path, &to)?,
            _ => copy_file(&path, &to)?,
        }
    }
    // sqlx sets the time zone UTC in every session; the server reads it from here in a container.
    let zones = "usr/share/zoneinfo";
    copy_file(&packages.join(zones).join("Etc/UTC"), &root.join(zones).join("UTC"))?;
    copy_folder(&packages.join(zones).join("Etc"), &root.join(zones).join("Etc"))?;

    for program in PROGRAMS {
        let path = root.join(programs(version)).join(program);
        let real = path.with_extension("bin");
        std::fs::rename(&path, &real).map_err(Error::io("rename", &path))?;
        gather.write(&format!("{}/{program}", programs(version)), &script(architecture))?;
        set_mode(&path, 0o755)?;
    }
    Ok(())
}

fn copy_extensions(from: &Path, to: &Path) -> Result<(), Error> {
    for path in entries(from)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let of_one = |extension: &&str| {
            name.strip_prefix(*extension).is_some_and(|rest| rest.starts_with('.') || rest.starts_with("--"))
        };
        if EXTENSIONS.iter().any(of_one) {
            copy_file(&path, &to.join(&name))?;
        }
    }
    Ok(())
}

/// Returns the script in place of a program: it finds the tree by its own path.
fn script(architecture: &Architecture) -> String {
    let Architecture { loader, triplet, .. } = architecture;
    format!(
        r#"#!/bin/sh
root=${{0%/usr/lib/postgresql/*}}
exec "$root/{loader}" --argv0 "$0" --library-path "${PAM_VARIABLE}:$root/usr/lib/{triplet}" "$0.bin" "$@"
"#
    )
}
