//! A MySQL server without an installation: the recipe of its tree. Debian's stable suites have no MySQL; its unstable
//! suite has.

use crate::error::Error;
use crate::host::file::{copy_file, copy_folder};
use crate::host::tree::{Gather, Recipe, Tree};

/// The version of the recipe: see [`Recipe::version`].
pub(crate) const RECIPE: &str = "1";

/// See [`Recipe::not_needed`].
const NOT_NEEDED: [&str; 20] = [
    "base-files",
    "base-passwd",
    "cdebconf",
    "debconf",
    "debianutils",
    "dpkg",
    "grep",
    "libc-gconv-modules-extra",
    "libdb",
    "libgdbm",
    "libpam",
    "libperl",
    "login",
    "mysql-common",
    "netbase",
    "passwd",
    "perl",
    "sed",
    "tar",
    "init-system-helpers",
];

/// The plugin folder of a container's server.
pub(crate) const PLUGINS: &str = "rds-iam/plugin";

fn recipe() -> Recipe {
    Recipe {
        name: "mysql".into(),
        version: RECIPE,
        product: "MySQL",
        suite: "sid",
        server: "mysql-server-core".into(),
        packages: &["dash"],
        not_needed: &NOT_NEEDED,
        programs: ["usr/sbin/mysqld", "usr/bin/dash"].map(String::from).into(),
        hint: "run on Debian or a system derived from it, or start a Docker engine that can pull mysql:8.4, or set RDS_IAM_EMULATOR_MYSQL_IMAGE to an image of MySQL",
        shared: false,
    }
}

/// Returns the tree in the cache, if it exists.
pub(crate) async fn cached() -> Result<Option<Tree>, Error> {
    Tree::cached(&recipe()).await
}

/// Returns the tree in the cache, and downloads it first if missing.
pub(crate) async fn from_cache() -> Result<Tree, Error> {
    Tree::from_cache(&recipe(), |Gather { packages, root, .. }| {
        for dir in ["english", "charsets"] {
            let below = format!("usr/share/mysql/{dir}");
            copy_folder(&packages.join(&below), &root.join(&below))?;
        }
        // The server loads this one at every start.
        let component = "component_reference_cache.so";
        let from = packages.join("usr/lib/mysql/plugin").join(component);
        copy_file(&from, &root.join(PLUGINS).join(component))
    })
    .await
}

/// Returns the command line that runs the tree's server on this host, independent of the host's libraries.
pub(crate) fn server(tree: &Tree) -> Vec<String> {
    vec![
        tree.path(tree.architecture.loader),
        "--library-path".into(),
        tree.path(&format!("usr/lib/{}", tree.architecture.triplet)),
        tree.path("usr/sbin/mysqld"),
        "--no-defaults".into(),
        format!("--lc-messages-dir={}", tree.path("usr/share/mysql")),
        format!("--character-sets-dir={}", tree.path("usr/share/mysql/charsets")),
    ]
}
