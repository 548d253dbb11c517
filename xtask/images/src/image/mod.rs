//! The container images: built by a Docker engine, then converted to a form whose digest depends only on
//! their content, with an SBOM and provenance. The reasons are in docs/adr/0009-images.md.

mod base;
mod bases;
mod context;
mod debian;
mod docker;
mod engine;
mod layer;
mod layout;
mod local;
mod normalise;
mod provenance;
mod saved;
mod sbom;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xshell::cmd;

use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::file::{failed as file, remove_folder, replace};
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::workspace::{CARGO_HELP, Workspace};

use base::Pair;
pub use base::{Base, Bases};
use normalise::{Created, Image};

/// The maximum size of an image, in bytes of compressed layers: a starting instance downloads it before it
/// serves. The programs and their base are well below.
const LARGEST: u64 = 40_000_000;

/// The time limit of a query to cargo, which may have to download dependencies first.
const CARGO_ANSWERS_WITHIN: Duration = Duration::from_secs(600);

const SBOM: &str = "application/vnd.cyclonedx+json";
const PROVENANCE: &str = "application/vnd.in-toto+json";

/// One of the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The service.
    App,
    /// The program that creates the database users.
    Bootstrap,
}

/// The files that an image is built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    /// The files of the commit.
    Commit,
    /// The tracked files of the working tree, with uncommitted changes. The image is marked as modified.
    Working,
}

/// An image to build.
#[derive(Clone, Debug)]
pub struct Request {
    /// The image.
    pub which: Which,
    /// The base images.
    pub bases: Bases,
    /// The files.
    pub tree: Tree,
    /// The commit: 40 hex digits.
    pub commit: String,
    /// The repository's `https` URL, without `.git`.
    pub source: String,
    /// The time of the commit, in RFC 3339.
    pub created: String,
    /// Whether to ignore the layers of earlier builds and share the caches of dependencies with no other
    /// commit.
    pub no_cache: bool,
    /// The folder of the OCI layout. Documents about the image are written beside it.
    pub out: PathBuf,
}

/// The description of a built image, in `<out>.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Built {
    /// The name of the image.
    pub name: String,
    /// The digest of the manifest: `sha256:` and 64 hex digits.
    pub digest: String,
    /// The commit, with `-modified` if other files than the commit's were built.
    pub tag: String,
    /// The size of all compressed layers in bytes, which is the size of a download.
    pub size: u64,
    /// The number of layers.
    pub layers: usize,
    /// The commit that the image was built from.
    pub commit: String,
    /// Whether other files than the commit's were built.
    pub modified: bool,
    /// The time of the commit, in RFC 3339 and UTC.
    pub created: String,
    /// Docker's name of the architecture: `amd64`, `arm64`.
    pub architecture: String,
    /// The user that the program runs as.
    pub user: String,
    /// The command that the image starts.
    pub entrypoint: Vec<String>,
    /// The kind of base images.
    pub bases: Bases,
    /// The image that compiled the program.
    pub builder: Base,
    /// The image below the program's layers.
    pub base: Base,
    /// The number of crates and packages in the SBOM.
    pub components: usize,
}

impl Which {
    /// All images.
    pub const ALL: [Self; 2] = [Self::App, Self::Bootstrap];

    /// Returns the name of the image's folder in `docker/`.
    pub fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Bootstrap => "bootstrap",
        }
    }

    /// Returns the package and program of the image.
    fn program(self) -> &'static str {
        match self {
            Self::App => "rds-iam-app",
            Self::Bootstrap => "rds-iam-bootstrap",
        }
    }

    fn dockerfile(self) -> String {
        format!("docker/{}/Dockerfile", self.name())
    }
}

impl Request {
    fn tag(&self) -> String {
        match self.tree {
            Tree::Commit => self.commit.clone(),
            Tree::Working => format!("{}-modified", self.commit),
        }
    }

    /// Returns the commit's time in both forms.
    fn created(&self) -> Result<Created, Error> {
        let wrong = || Error::Found {
            found: format!("the commit's time `{}` is none by RFC 3339", self.created),
            help: "take it from `git show --no-patch --format=%cI`".to_owned(),
        };
        let time = OffsetDateTime::parse(&self.created, &Rfc3339).map_err(|_| wrong())?;
        let time = time.to_offset(time::UtcOffset::UTC);
        let seconds = u64::try_from(time.unix_timestamp()).map_err(|_| wrong())?;
        Ok(Created { seconds, text: time.format(&Rfc3339).map_err(|_| wrong())? })
    }
}

/// Returns the commands of [`build`], for a dry run: nothing is checked or created.
///
/// # Errors
/// Returns an error if the workspace has no version, or the commit no time.
pub fn commands(request: &Request, workspace: &Workspace) -> Result<Vec<Cmd>, Error> {
    let context = context::folder(request);
    // Their names depend on their inputs.
    let made_here =
        |what: &str| Base { name: format!("<{what} made of Debian's packages>"), digest: String::new() };
    let local = Pair { builder: made_here("builder"), base: made_here("base") };
    let local = (request.bases == Bases::Local).then_some(&local);
    let version = engine::version(&workspace.root)?;
    let build = engine::command(request, &request.created()?, &version, local, &context, workspace);
    Ok(context::archive(request, workspace).into_iter().chain([build]).collect())
}

/// Builds an image and writes, atomically each, its layout (`request.out`) and beside it `<out>.json`,
/// `<out>.sbom.cdx.json` and `<out>.provenance.json`.
///
/// # Errors
/// Returns an error if a tool is missing, the build fails, the image is too large, or a file can't be
/// written. The output of an earlier run is kept.
pub fn build(
    request: &Request,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<Built, Error> {
    let created = request.created()?;
    let context = context::lay_out(request, workspace, runner)?;
    let dockerfile = context.join(request.which.dockerfile());
    let pair = bases::resolve(request.bases, &dockerfile, workspace, console, runner)?;
    let saved = engine::build(request, &created, &pair, &context, workspace, runner)?;
    let mut image = normalise::normalise(&saved, &created, &request.tag())
        .map_err(file("normalise the image in", &request.out))?;
    if image.size > LARGEST {
        return Err(Error::Found {
            found: format!("{} has {} bytes, and may have {LARGEST}", request.which.program(), image.size),
            help: "check what its last change added: `cargo tree`, and the Dockerfile's COPY".to_owned(),
        });
    }
    let digest = text(&image.descriptor["digest"]);
    let sbom = bill_of_materials(request, &created, &image, &context, workspace, runner)?;
    let provenance = provenance::statement(request, &pair, &digest);
    let built = Built {
        name: request.which.program().to_owned(),
        tag: request.tag(),
        size: image.size,
        layers: image.layers.len(),
        commit: request.commit.clone(),
        modified: request.tree == Tree::Working,
        created: created.text.clone(),
        architecture: text(&image.config["architecture"]),
        user: text(&image.config["config"]["User"]),
        entrypoint: image.config["config"]["Entrypoint"].as_array().into_iter().flatten().map(text).collect(),
        bases: request.bases,
        builder: pair.builder,
        base: pair.base,
        components: sbom["components"].as_array().map_or(0, Vec::len),
        digest,
    };
    for (kind, document) in [(SBOM, &sbom), (PROVENANCE, &provenance)] {
        image.layout.artifact(kind, layout::bytes(document), &image.descriptor, &created.text);
    }
    write(&request.out, &image, &sbom, &provenance, &built)?;
    Ok(built)
}

fn bill_of_materials(
    request: &Request,
    created: &Created,
    image: &Image,
    context: &Path,
    workspace: &Workspace,
    runner: Runner,
) -> Result<Value, Error> {
    let triple = match image.config["architecture"].as_str() {
        Some("arm64") => "aarch64-unknown-linux-gnu",
        _ => "x86_64-unknown-linux-gnu",
    };
    let shell = workspace.shell();
    shell.change_dir(context);
    let cargo = |cmd| Cmd::from_xshell(cmd, CARGO_HELP).hint("the registry may be unreachable");
    let program = request.which.program();
    // The features are those of a common build: the Dockerfiles build both programs.
    let packages = Which::ALL.into_iter().flat_map(|which| ["--package", which.program()]);
    let edges = "normal,no-proc-macro";
    let tree = cargo(cmd!(
        shell,
        "cargo tree --locked --edges {edges} --target {triple} {packages...} --prefix depth"
    ));
    let metadata =
        cargo(cmd!(shell, "cargo metadata --locked --format-version 1 --filter-platform {triple}"));
    let (tree_text, metadata_text) =
        (runner.capture(&tree, CARGO_ANSWERS_WITHIN)?, runner.capture(&metadata, CARGO_ANSWERS_WITHIN)?);
    let parsed = serde_json::from_str(&metadata_text).map_err(Error::answer(&metadata))?;
    let path = context.join("Cargo.lock");
    let lock = fs::read_to_string(&path).map_err(file("read", &path))?;
    let (packages, release) = debian::of_image(&image.layers);
    let digest = text(&image.descriptor["digest"]);
    let subject = sbom::Subject {
        name: program,
        digest: &digest,
        tag: &request.tag(),
        created: &created.text,
        source: &request.source,
    };
    let cargo = sbom::Cargo { tree: &tree_text, metadata: &parsed, lock: &lock };
    sbom::document(subject, cargo, &packages, &release).map_err(Error::answer(&tree))
}

fn write(out: &Path, image: &Image, sbom: &Value, provenance: &Value, built: &Built) -> Result<(), Error> {
    let unfinished = beside(out, ".unfinished");
    context::empty(&unfinished)?;
    image.layout.write(&unfinished).map_err(file("write", &unfinished))?;
    remove_folder(out)?;
    fs::rename(&unfinished, out).map_err(file("write", out))?;
    let built = serde_json::to_value(built).expect("numbers and texts are JSON");
    for (ending, document) in [(".sbom.cdx.json", sbom), (".provenance.json", provenance), (".json", &built)]
    {
        replace(&beside(out, ending), format!("{document:#}\n"))?;
    }
    Ok(())
}

/// Returns the path with more at its end.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
