//! MySQL Router from Debian's packages, without an installation, for a benchmark.

use std::path::PathBuf;

use crate::error::Error;
use crate::host::file::{copy_file, copy_folder, entries};
use crate::host::tree::{Gather, ON_DEBIAN, Recipe, Tree};
use crate::mysql::clients::NOT_NEEDED;

/// MySQL Router in its package.
const ROUTER: &str = "usr/bin/mysqlrouter";

/// The folder of its plugins.
const ROUTER_PLUGINS: &str = "usr/lib/mysqlrouter/plugin";

/// The folder of its own libraries.
const ROUTER_LIBRARIES: &str = "usr/lib/mysql-router";

/// The beginnings of the names of libraries that its plugins load, in addition to those of the program.
const ROUTER_LOADED: [&str; 3] = ["liblz4.so", "libprotobuf.so", "libxxhash.so"];

/// Returns the path of `mysqlrouter`, and that of the folder of its plugins, and downloads them into the cache first if
/// missing.
///
/// # Errors
/// Returns [`Error::MissingTools`] without apt, and [`Error::Command`] with its message if it can't fetch.
pub async fn mysqlrouter() -> Result<(PathBuf, PathBuf), Error> {
    let recipe = Recipe {
        name: "mysqlrouter".into(),
        version: "1",
        product: "MySQL Router",
        suite: "sid",
        server: "mysql-router".into(),
        packages: &["dash"],
        not_needed: &NOT_NEEDED,
        programs: vec![ROUTER.into()],
        hint: ON_DEBIAN,
        shared: false,
    };
    let tree = Tree::from_cache(&recipe, gather_router).await?;
    Ok((tree.root().join(ROUTER), tree.root().join(ROUTER_PLUGINS)))
}

/// Copies the plugins, and what they load, beside the program.
fn gather_router(gather: &Gather<'_>) -> Result<(), Error> {
    let triplet = gather.architecture.triplet;
    copy_folder(&gather.packages.join(ROUTER_PLUGINS), &gather.root.join(ROUTER_PLUGINS))?;
    let below = format!("usr/lib/{triplet}");
    let libraries = gather.root.join(&below);
    copy_folder(&gather.packages.join(ROUTER_LIBRARIES), &libraries)?;
    for path in entries(&gather.packages.join(&below))? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if ROUTER_LOADED.iter().any(|loaded| name.starts_with(loaded)) {
            copy_file(&path, &libraries.join(name))?;
        }
    }
    gather.wrap(ROUTER, ROUTER)
}
