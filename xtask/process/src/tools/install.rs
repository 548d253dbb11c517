//! Installs a tool into the cache: downloads, verifies and tests it before moving it to its final path.

use std::fs;
use std::path::Path;

use super::pins::{self, Source};
use super::{Found, Tool, ask_version, folder, found_in, in_cache, python, release, tools_folder};
use crate::console::{Console, Style};
use crate::error::Error;
use crate::file::{self, failed};
use crate::runner::Runner;
use crate::workspace::Workspace;

/// Returns the tool at its pinned version, from the cache or downloaded into it.
///
/// # Errors
/// Returns an error if it cannot be downloaded, its checksum differs, it does not start, or it reports
/// another version. Nothing is installed then.
pub(super) fn install(
    tool: Tool,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<Found, Error> {
    install_from(tool, workspace, console, runner, &|url, to| {
        runner.run(&release::download(tool, url, to, workspace)).map_err(Error::from)
    })
}

/// Same as [`install`], with another way to download a release.
pub(super) fn install_from(
    tool: Tool,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
    download: &dyn Fn(&str, &Path) -> Result<(), Error>,
) -> Result<Found, Error> {
    let tools = tools_folder(workspace);
    // One process installs; others wait and use its result.
    let lock_path = tools.join(format!("{tool}.lock"));
    let lock = file::open_lock(&lock_path)?;
    lock.lock().map_err(failed("lock", &lock_path))?;
    if let Some(found) = in_cache(tool, workspace) {
        return Ok(found);
    }
    let place = folder(tool, workspace);
    let from = match pins::pin(tool).source() {
        Source::Release(_) => "its release",
        Source::Python(_) => "the Python Package Index",
    };
    let note = format!("installing {tool} {} from {from} into {}", tool.version(), place.display());
    console.line(&console.paint(Style::Warning, &note));
    // A fixed name: the next installation removes the files of an interrupted one.
    let scratch = tools.join(format!("{tool}.unfinished"));
    file::remove_folder(&scratch)?;
    fs::create_dir_all(&scratch).map_err(failed("make", &scratch))?;
    let done = fetch(tool, &scratch, workspace, runner, download)
        .and_then(|()| confirm(tool, &scratch, workspace, runner))
        .and_then(|()| fs::rename(&scratch, &place).map_err(failed("rename", &scratch)));
    if let Err(error) = done {
        file::remove_folder(&scratch)?;
        return Err(error);
    }
    Ok(found_in(tool, &place))
}

fn fetch(
    tool: Tool,
    scratch: &Path,
    workspace: &Workspace,
    runner: Runner,
    download: &dyn Fn(&str, &Path) -> Result<(), Error>,
) -> Result<(), Error> {
    match pins::pin(tool).source() {
        Source::Release(Some(archive)) => release::fetch(tool, archive, scratch, download),
        Source::Release(None) => Err(Error::Found {
            found: format!("no archive of {tool} {} is pinned for {}", tool.version(), pins::platform()),
            help: format!(
                "put {tool} {} on PATH, or add the archive and its SHA-256 to xtask/process/tools.toml",
                tool.version()
            ),
        }),
        Source::Python(name) if matches!(tool, Tool::Checkov | Tool::CargoZigbuild) => {
            python::install_packages(name, scratch, workspace, runner)
        }
        Source::Python(name) => python::fetch_program(tool, name, scratch, workspace, runner),
    }
}

/// Checks that the tool in `folder` starts and has the pinned version.
fn confirm(tool: Tool, folder: &Path, workspace: &Workspace, runner: Runner) -> Result<(), Error> {
    let version = ask_version(&found_in(tool, folder), workspace, runner)?;
    if version == tool.version() {
        return Ok(());
    }
    Err(Error::Found {
        found: format!("what was fetched as {tool} {} says that it is {version}", tool.version()),
        help: "correct the version or the archive in xtask/process/tools.toml".to_owned(),
    })
}
