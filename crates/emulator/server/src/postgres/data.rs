//! Prepares the files of a PostgreSQL server: its configuration, the libraries that it loads, and its data folder, a
//! copy of one that is made once.

use std::fs;
use std::path::{Path, PathBuf};

use tracing::info;

use super::config::{self, Place, SUPERUSER};
use super::tree::{self, PAM_VARIABLE};
use super::versions::{PostgresVersion, Settings};
use crate::command::Command;
use crate::error::Error;
use crate::host::docker::digest;
use crate::host::file::{self, copy_file, copy_folder};
use crate::host::shared::{self, give, open_up, server_user, set_mode};
use crate::host::tree::Tree;
use crate::run_folder::RunFolder;

/// The script that runs the server; see its own comment.
const PREPARE: &str = include_str!("prepare.sh");

/// The libraries that the server loads.
#[derive(Debug)]
#[expect(unnameable_types, reason = "part of a sealed trait")]
pub struct Libraries {
    /// The library that checks tokens.
    pub(crate) pam: PathBuf,
    /// The module that is preloaded.
    pub(crate) hook: PathBuf,
}

impl Libraries {
    /// Copies them into the run folder: the originals may be where the server's user can't read them.
    pub(crate) fn copy(&self, run: &Path) -> Result<(), Error> {
        copy_file(&self.pam, &pam_in(run))?;
        copy_file(&self.hook, &run.join("lib").join(config::HOOK).with_extension("so"))?;
        open_up(&run.join("pam"))?;
        open_up(&run.join("lib"))
    }
}

/// Returns the path of libpam in a run folder.
pub(crate) fn pam_in(run: &Path) -> PathBuf {
    run.join("pam/libpam.so.0")
}

/// Prepares a child process, and returns the command that runs the server.
pub(crate) async fn prepare(
    folder: &RunFolder,
    libraries: &Libraries,
    settings: &Settings,
    port: u16,
) -> Result<Vec<String>, Error> {
    let tree = tree::from_cache(settings.version()).await?;
    let (run, data) = (folder.run(), folder.private("data"));
    copy_folder(&template(&tree, settings.version(), &libraries.pam).await?, &data)?;
    set_mode(&data, 0o700)?;
    give(&data, server_user())?;
    libraries.copy(&run)?;

    let (run_name, data_name) = (run.display().to_string(), data.display().to_string());
    let place = Place { run: &run_name, data: &data_name, address: "127.0.0.1", port };
    write_configuration(&run, &place, settings)?;
    let program = tree.path(&format!("{}/postgres", tree::programs(settings.version())));
    Ok(config::command(&place, &program))
}

/// Writes the script and the configuration into the run folder.
pub(crate) fn write_configuration(run: &Path, place: &Place<'_>, settings: &Settings) -> Result<(), Error> {
    file::replace(&run.join("prepare.sh"), PREPARE, 0o644)?;
    config::write(run, place, settings)
}

/// Returns a newly created data folder in the cache, to be copied for each server.
pub(crate) async fn template(tree: &Tree, version: PostgresVersion, pam: &Path) -> Result<PathBuf, Error> {
    let arguments = initialise(version);
    let recipe = digest(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let entry = shared::entry(&format!("postgres-data-{}-{recipe}", tree.version)).await?;
    if let Some(data) = entry.existing() {
        return Ok(data.to_owned());
    }
    info!("initialising a data folder");
    let scratch = entry.begin()?;
    copy_file(pam, &pam_in(&scratch))?;
    open_up(&scratch)?;
    let data = scratch.join("data");
    fs::create_dir(&data).map_err(Error::io("create", &data))?;
    give(&data, server_user())?;
    Command::new(tree.path(&format!("{}/initdb", tree::programs(version))))
        .bare()
        .user(server_user())
        .env(PAM_VARIABLE, scratch.join("pam"))
        .args(arguments)
        .arg("--pgdata")
        .arg(&data)
        .output_in(&scratch)
        .await?;
    give(&data, server_user().map(|_| 0))?;
    let finished = entry.finish(&data)?;
    fs::remove_dir_all(&scratch).map_err(Error::io("remove", &scratch))?;
    Ok(finished)
}

/// Returns the arguments that make a data folder, whose superuser can't log in until a server has its configuration.
fn initialise(version: PostgresVersion) -> Vec<String> {
    let mut arguments = vec![
        format!("--username={SUPERUSER}"),
        "--auth=reject".into(),
        "--encoding=UTF8".into(),
        "--locale=C".into(),
        "--no-sync".into(),
    ];
    if version.major() >= 18 {
        arguments.push("--no-data-checksums".into());
    }
    arguments
}
