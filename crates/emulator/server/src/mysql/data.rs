//! Prepares the files of a MySQL server that is a child process, from Debian's packages: its data folder, a copy of one
//! that is made once, and its plugins.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tracing::info;

use super::command::{self, Paths};
use super::tree::{self, PLUGINS};
use crate::command::Command;
use crate::error::Error;
use crate::host::cache::Entry;
use crate::host::file::copy_folder;
use crate::host::tree::Tree;
use crate::run_folder::RunFolder;

/// Copies a data folder and the plugins into `folder`, and returns the command that runs the server on them.
pub(crate) async fn prepare(folder: &RunFolder, plugin: &Path, port: u16) -> Result<Vec<String>, Error> {
    let tree = tree::from_cache().await?;
    let data = folder.private("data");
    copy_folder(&data_template(&tree).await?, &data)?;
    let plugins = folder.private("plugin");
    copy_folder(&tree.root().join(PLUGINS), &plugins)?;
    let plugin_name = plugin.file_name().unwrap_or_default();
    let link = plugins.join(plugin_name);
    std::os::unix::fs::symlink(plugin, &link).map_err(Error::io("link", &link))?;

    let run = folder.run();
    let paths = Paths { run: &run, data: &data, plugins: &plugins };
    let mut arguments = tree::server(&tree);
    arguments.extend(command::run(&paths, &plugin_name.to_string_lossy(), "127.0.0.1", port));
    arguments.extend(as_root(&run).map(String::from));
    Ok(arguments)
}

/// Returns a newly created data folder in the cache, to be copied for each server.
async fn data_template(tree: &Tree) -> Result<PathBuf, Error> {
    // Its own path is part of the command, but that is the same for the same name.
    let recipe = command::initialise(Path::new("data"), Path::new("plugin")).join(" ");
    let digest = hex::encode(&Sha256::digest(recipe)[..6]);
    let entry = Entry::lock(&format!("mysql-data-{}-{digest}", tree.version)).await?;
    if let Some(data) = entry.existing() {
        return Ok(data.to_owned());
    }
    info!("initialising a data folder");
    let scratch = entry.begin()?;
    let data = scratch.join("data");
    let server = tree::server(tree);
    let (program, arguments) = server.split_first().unwrap_or((&server[0], &[]));
    Command::new(program)
        .bare()
        .args(arguments)
        .args(command::initialise(&data, &tree.root().join(PLUGINS)))
        .args(as_root(&scratch))
        .output()
        .await?;
    let finished = entry.finish(&data)?;
    fs::remove_dir_all(&scratch).map_err(Error::io("remove", &scratch))?;
    Ok(finished)
}

/// Returns the argument that the server needs when it runs as root. This process created `path`, so its owner
/// is this process's user.
fn as_root(path: &Path) -> Option<&'static str> {
    fs::metadata(path).is_ok_and(|m| m.uid() == 0).then_some(command::AS_ROOT)
}
