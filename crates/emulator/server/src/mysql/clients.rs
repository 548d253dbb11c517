//! MySQL's own client `mysql` from Debian's packages, without an installation. For tests with it.

use std::fs;
use std::path::PathBuf;

use crate::error::Error;
use crate::host::debian::Architecture;
use crate::host::shared::set_mode;
use crate::host::tree::{Recipe, Tree};

/// See [`Recipe::not_needed`].
const NOT_NEEDED: [&str; 3] = ["debianutils", "libc-gconv-modules-extra", "openssl-provider-legacy"];

/// The program in its package.
const PROGRAM: &str = "usr/bin/mysql";

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
        suite: "sid",
        server: "mysql-client-core".into(),
        packages: &["dash", "libnss-wrapper"],
        not_needed: &NOT_NEEDED,
        programs: vec![PROGRAM.into(), wrapper],
        hint: "run on Debian or a system derived from it",
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
