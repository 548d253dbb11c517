//! Builds images with the Docker engine, and exports them.

use std::fs;
use std::io;
use std::path::Path;

use xshell::cmd;

use super::Request;
use super::base::{Bases, Pair};
use super::docker::{DOCKER_HELP, client, docker};
use super::normalise::Created;
use super::saved::{self, Saved};
use rds_iam_process::error::Error;
use rds_iam_process::file::failed as file;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::workspace::Workspace;

/// Builds the image with the engine, and returns the output of `docker save`.
///
/// # Errors
/// Returns an error if there is no engine, the build fails, or the saved image is not in the documented
/// format.
pub(super) fn build(
    request: &Request,
    created: &Created,
    pair: &Pair,
    context: &Path,
    workspace: &Workspace,
    runner: Runner,
) -> Result<Saved, Error> {
    let local = (request.bases == Bases::Local).then_some(pair);
    runner.run(&command(request, created, &version(context)?, local, context, workspace))?;
    let (shell, client) = (workspace.shell(), client());
    let (name, tar) = (name(request), context.with_extension("saved.tar"));
    let save = docker(cmd!(shell, "{client} save --output {tar} {name}")).hint(DOCKER_HELP);
    runner.run(&save)?;
    // Its digest differs from the final image's; removed, it cannot be mistaken for it.
    runner.ask(&docker(cmd!(shell, "{client} image rm {name}")))?;
    let opened = fs::File::open(&tar).map_err(file("read", &tar))?;
    let saved = saved::read(io::BufReader::new(opened)).map_err(Error::answer(&save))?;
    fs::remove_file(&tar).map_err(file("remove", &tar))?;
    Ok(saved)
}

/// Returns the command that builds, on `local` bases if given.
pub(super) fn command(
    request: &Request,
    created: &Created,
    version: &str,
    local: Option<&Pair>,
    context: &Path,
    workspace: &Workspace,
) -> Cmd {
    let labels = [
        ("revision", request.tag()),
        ("source", request.source.clone()),
        ("version", version.to_owned()),
        ("created", created.text.clone()),
    ];
    let bases = local.map(|pair| [("BUILDER", &pair.builder.name), ("BASE", &pair.base.name)]);
    let labels = labels
        .iter()
        .flat_map(|(key, value)| ["--label".to_owned(), format!("org.opencontainers.image.{key}={value}")]);
    let arguments = bases.into_iter().flatten();
    let arguments =
        arguments.flat_map(|(argument, name)| ["--build-arg".to_owned(), format!("{argument}={name}")]);
    let no_cache = request.no_cache.then_some("--no-cache");
    let (shell, client, name) = (workspace.shell(), client(), name(request));
    let dockerfile = context.join(request.which.dockerfile());
    let build = cmd!(
        shell,
        "{client} build --progress plain --tag {name} --file {dockerfile} {labels...} {arguments...} {no_cache...} {context}"
    );
    docker(build).hint(
        "the failure is printed above; where no image can be pulled, build on local bases; where the client does not \
         support BuildKit, install its buildx plugin",
    )
}

/// Returns the name of the image in the engine until it is saved.
fn name(request: &Request) -> String {
    format!("{}-build:{}", request.which.program(), request.tag())
}

/// Returns the workspace's version.
pub(super) fn version(context: &Path) -> Result<String, Error> {
    let path = context.join("Cargo.toml");
    let manifest = fs::read_to_string(&path).map_err(file("read", &path))?;
    let parsed: Option<toml::Table> = manifest.parse().ok();
    let workspace = parsed.as_ref().and_then(|manifest| manifest.get("workspace"));
    let version = workspace.and_then(|workspace| workspace.get("package")?.get("version")?.as_str());
    version.map(str::to_owned).ok_or_else(|| Error::Found {
        found: format!("{} has no workspace.package.version", path.display()),
        help: "give the workspace one version for all its packages".to_owned(),
    })
}
