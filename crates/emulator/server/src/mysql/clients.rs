//! Clients of MySQL from Debian's packages, without an installation: its own client `mysql`, MariaDB Connector/J, the
//! driver for Java, and `perl` with DBD::mysql. For tests with them.

use std::fs;
use std::path::PathBuf;

use crate::error::Error;
use crate::host::debian::Architecture;
use crate::host::file::{copy_file, copy_folder, entries};
use crate::host::package::Package;
use crate::host::shared::set_mode;
use crate::host::tree::{ON_DEBIAN, Recipe, Tree};

/// See [`Recipe::not_needed`]: the packages of MySQL's own programs.
pub(super) const NOT_NEEDED: [&str; 3] =
    ["debianutils", "libc-gconv-modules-extra", "openssl-provider-legacy"];

/// The program in its package.
const PROGRAM: &str = "usr/bin/mysql";

/// The suite of the packages.
const SUITE: &str = "sid";

/// The driver for Java in its package.
const MARIADB_JDBC: &str = "usr/share/java/mariadb-java-client.jar";

/// See [`Recipe::not_needed`].
const NOT_NEEDED_BY_PERL: [&str; 9] = [
    "debianutils",
    "libbz2",
    "libc-gconv-modules-extra",
    "libdb5",
    "libgdbm",
    "mariadb-common",
    "mysql-common",
    "netbase",
    "openssl-provider-legacy",
];

/// `perl` in its package.
const PERL: &str = "usr/bin/perl";

/// Returns the path of `mysql`, and downloads it into the cache first if missing.
///
/// It connects to the host whose certificate it verifies, and has no option for another address. So it is started with
/// Debian's `nss_wrapper`: the variable `NSS_WRAPPER_HOSTS` names a hosts file that counts for this program alone.
///
/// # Errors
/// Returns [`Error::MissingTools`] without apt, and [`Error::Command`] with its message if it can't fetch.
pub async fn mysql() -> Result<PathBuf, Error> {
    let wrapper = wrapper(Architecture::of_this_machine()?);
    let recipe = Recipe {
        name: "mysql-client".into(),
        version: "1",
        product: "mysql",
        suite: SUITE,
        server: "mysql-client-core".into(),
        packages: &["dash", "libnss-wrapper"],
        not_needed: &NOT_NEEDED,
        programs: vec![PROGRAM.into(), wrapper],
        hint: ON_DEBIAN,
        shared: false,
    };
    let tree = Tree::from_cache(&recipe, |gather| {
        let path = gather.root.join(PROGRAM);
        fs::rename(&path, path.with_extension("bin")).map_err(Error::io("rename", &path))?;
        gather.write(PROGRAM, &script(gather.architecture))?;
        set_mode(&path, 0o755)
    });
    Ok(tree.await?.root().join(PROGRAM))
}

/// Returns the path of MariaDB Connector/J, a `.jar` file, and downloads it into the cache first if missing.
///
/// # Errors
/// Returns [`Error::MissingTools`] without apt, and [`Error::Command`] with its message if it can't fetch.
pub async fn mariadb_jdbc() -> Result<PathBuf, Error> {
    let file = "mariadb.jar";
    let package = Package {
        entry: "mariadb-jdbc-1",
        suite: SUITE,
        name: "libmariadb-java",
        product: "MariaDB Connector/J",
        purpose: "fetch MariaDB Connector/J from Debian's packages",
        hint: ON_DEBIAN,
    };
    let folder = package.cached(|from, to| copy_file(&from.join(MARIADB_JDBC), &to.join(file))).await?;
    Ok(folder.join(file))
}

/// Returns the path of `perl` with its own modules and DBD::mysql, and downloads it into the cache first if missing. It
/// is started with `nss_wrapper`, as [`mysql`] is.
///
/// # Errors
/// Returns [`Error::MissingTools`] without apt, and [`Error::Command`] with its message if it can't fetch.
pub async fn perl() -> Result<PathBuf, Error> {
    let architecture = Architecture::of_this_machine()?;
    let library = format!("usr/lib/{}", architecture.triplet);
    let recipe = Recipe {
        name: "perl-dbd-mysql".into(),
        version: "1",
        product: "perl with DBD::mysql",
        suite: SUITE,
        server: "libdbd-mysql-perl".into(),
        packages: &["dash", "libnss-wrapper"],
        not_needed: &NOT_NEEDED_BY_PERL,
        // What DBD::mysql loads besides.
        programs: vec![PERL.into(), format!("{library}/libmariadb.so.3"), wrapper(architecture)],
        hint: ON_DEBIAN,
        shared: false,
    };
    let tree = Tree::from_cache(&recipe, |gather| {
        // The only folder of DBI and DBD::mysql has the version as its name.
        let versions = entries(&gather.packages.join(&library).join("perl5"))?;
        let version = versions.iter().find_map(|path| path.file_name()?.to_str()).unwrap_or_default();
        let modules = [
            format!("{library}/perl5/{version}"),
            format!("{library}/perl-base"),
            format!("{library}/perl/{version}"),
            format!("usr/share/perl/{version}"),
        ];
        let plugins = format!("{library}/libmariadb3/plugin");
        for folder in modules.iter().chain([&plugins]) {
            copy_folder(&gather.packages.join(folder), &gather.root.join(folder))?;
        }
        let path = gather.root.join(PERL);
        fs::rename(&path, path.with_extension("bin")).map_err(Error::io("rename", &path))?;
        gather.write(PERL, &perl_script(gather.architecture, &modules, &plugins))?;
        set_mode(&path, 0o755)
    });
    Ok(tree.await?.root().join(PERL))
}

/// Returns the path of `nss_wrapper` in its package.
fn wrapper(Architecture { triplet, .. }: &Architecture) -> String {
    format!("usr/lib/{triplet}/libnss_wrapper.so")
}

/// Returns the script in place of the program: it finds the tree by its own path.
fn script(architecture: &Architecture) -> String {
    let Architecture { loader, triplet, .. } = architecture;
    let wrapper = wrapper(architecture);
    format!(
        r#"#!/bin/sh
root=${{0%/{PROGRAM}}}
exec "$root/{loader}" --preload "$root/{wrapper}" --library-path "$root/usr/lib/{triplet}" "$0.bin" "$@"
"#
    )
}

/// Returns the script in place of `perl`, as [`script`]: it names the folders of modules, and of libmariadb's plugins.
fn perl_script(architecture: &Architecture, modules: &[String], plugins: &str) -> String {
    let Architecture { loader, triplet, .. } = architecture;
    let wrapper = wrapper(architecture);
    let modules: Vec<String> = modules.iter().map(|folder| format!("$root/{folder}")).collect();
    let modules = modules.join(":");
    format!(
        r#"#!/bin/sh
root=${{0%/{PERL}}}
PERL5LIB="{modules}" MARIADB_PLUGIN_DIR="$root/{plugins}"
export PERL5LIB MARIADB_PLUGIN_DIR
exec "$root/{loader}" --preload "$root/{wrapper}" --library-path "$root/usr/lib/{triplet}" "$0.bin" "$@"
"#
    )
}
