//! PostgreSQL's own clients from Debian's packages, without an installation: `psql`, and pgjdbc, the driver for Java.
//! For tests with them. Also pgbouncer, for a benchmark.

use std::path::PathBuf;

use super::tree::programs;
use super::versions::PostgresVersion;
use crate::error::Error;
use crate::host::file::copy_file;
use crate::host::package::Package;
use crate::host::tree::{ON_DEBIAN, Recipe, Tree};

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

/// See [`Recipe::not_needed`]: what pgbouncer's scripts need.
const PGBOUNCER_NOT_NEEDED: [&str; 29] = [
    "adduser",
    "base-passwd",
    "debconf",
    "debianutils",
    "init-system-helpers",
    "libblkid",
    "libbsd",
    "libbz2",
    "libc-gconv-modules-extra",
    "libdb",
    "libgdbm",
    "libjson-perl",
    "libmount",
    "libncursesw",
    "libpam-modules",
    "libperl",
    "libproc2",
    "libsemanage",
    "libtext-",
    "login",
    "netbase",
    "openssl",
    "passwd",
    "perl",
    "postgresql",
    "procps",
    "ssl-cert",
    "systemd",
    "ucf",
];

/// The pgjdbc driver in its package.
const PGJDBC: &str = "usr/share/java/postgresql.jar";

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
        hint: ON_DEBIAN,
        shared: false,
    };
    let tree = Tree::from_cache(&recipe, |gather| gather.wrap(&program, "usr/lib/postgresql/*"));
    Ok(tree.await?.root().join(program))
}

/// Returns the path of `pgbouncer`, and downloads it into the cache first if missing.
///
/// # Errors
/// Returns [`Error::MissingTools`] without apt, and [`Error::Command`] with its message if it can't fetch.
pub async fn pgbouncer() -> Result<PathBuf, Error> {
    let program = "usr/sbin/pgbouncer";
    let recipe = Recipe {
        name: "pgbouncer".into(),
        version: "1",
        product: "pgbouncer",
        suite: VERSION.suite(),
        server: "pgbouncer".into(),
        packages: &["dash"],
        not_needed: &PGBOUNCER_NOT_NEEDED,
        programs: vec![program.into()],
        hint: ON_DEBIAN,
        shared: false,
    };
    let tree = Tree::from_cache(&recipe, |gather| gather.wrap(program, program));
    Ok(tree.await?.root().join(program))
}

/// Returns the path of pgjdbc, a `.jar` file, and downloads it into the cache first if missing.
///
/// # Errors
/// Returns [`Error::MissingTools`] without apt, and [`Error::Command`] with its message if it can't fetch.
pub async fn pgjdbc() -> Result<PathBuf, Error> {
    let file = "postgresql.jar";
    let package = Package {
        entry: "pgjdbc-1",
        suite: VERSION.suite(),
        name: "libpostgresql-jdbc-java",
        product: "pgjdbc",
        purpose: "fetch pgjdbc from Debian's packages",
        hint: ON_DEBIAN,
    };
    let folder = package.cached(|from, to| copy_file(&from.join(PGJDBC), &to.join(file))).await?;
    Ok(folder.join(file))
}
