//! `rds-iam image`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use rds_iam_deploy::aws;
use rds_iam_deploy::image::{Deployed, Digest, Place, Promote, Push, Repository, Show, Tag, Which};
use rds_iam_report::file;
use rds_iam_token::{Clock, Region, RegionError};
use serde::{Deserialize, Serialize};

use crate::{Failure, forget, print, replace};

/// The largest file about an environment, in bytes; it has four texts.
const LARGEST_FILE: u64 = 64 * 1024;

/// Push, show and promote images in ECR, by their digests
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Push(PushArguments),
    Show(ShowArguments),
    Promote(PromoteArguments),
    Deployed(DeployedArguments),
}

/// Mark an image as deployed, so that the repository's lifecycle keeps it
///
/// It gets the tag deployed-<first 12 digits of its digest>. Running it again changes nothing.
#[derive(Debug, clap::Args)]
struct DeployedArguments {
    /// Repository of the image
    #[arg(long, value_name = "URL")]
    repository: Repository,

    /// Region of the repository
    #[arg(long)]
    region: Region,

    /// The image's digest, sha256:…
    #[arg(long)]
    digest: Digest,
}

/// Push an image with its SBOM, provenance and gates, and wait for the scan
///
/// What is there already is left; an interrupted push goes on. A tag that names another image is refused.
#[derive(Debug, clap::Args)]
struct PushArguments {
    /// Folder of an OCI image layout: the image first, then the artifacts that refer to it
    #[arg(long, value_name = "DIR")]
    layout: PathBuf,

    /// Where to, as app.repository_url of the outputs has it
    #[arg(long, value_name = "URL")]
    repository: Repository,

    /// Region of the repository
    #[arg(long)]
    region: Region,

    /// Name that the image gets, for good
    #[arg(long)]
    tag: Tag,

    /// Results of the gates, to travel with the image
    #[arg(long, value_name = "FILE")]
    gates: Option<PathBuf>,

    /// Accept an image that ECR did not scan, by its status: off, UNSUPPORTED_IMAGE
    #[arg(long, value_name = "STATUSES", value_delimiter = ',')]
    accept_scan: Vec<String>,

    /// Where to write what was pushed, as JSON: {"repository","digest","tag","size","scan"}
    #[arg(long, value_name = "FILE")]
    record: PathBuf,
}

/// Tell what is known of an image, as JSON
///
/// {"repository","digest","tags","size","commit","gates","promotions"}
#[derive(Debug, clap::Args)]
struct ShowArguments {
    /// Where it lies
    #[arg(long, value_name = "URL")]
    repository: Repository,

    /// Region of the repository
    #[arg(long)]
    region: Region,

    #[command(flatten)]
    image: WhichImage,

    /// Also write the image's manifest, the bytes that its digest is of
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct WhichImage {
    /// The image's digest, sha256:…
    #[arg(long)]
    digest: Option<Digest>,

    /// A tag that names it
    #[arg(long)]
    tag: Option<Tag>,

    /// The parameter that names what runs, such as /dev/app/image
    #[arg(long, value_name = "NAME")]
    parameter: Option<String>,
}

/// Copy the image that runs in one environment to another, with a record of who and why
///
/// The bytes stay the same. It must be what runs there, with all gates passed. It is not rolled out.
#[derive(Debug, clap::Args)]
struct PromoteArguments {
    /// The environment that it runs in, as JSON: {"environment","repository","region","image_parameter"}
    #[arg(long, value_name = "FILE")]
    from: PathBuf,

    /// The environment that it goes to, in the same form
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    /// The image's digest, sha256:…
    #[arg(long)]
    digest: Digest,

    /// Where to write the record, as JSON: {"from","to","digest","commit","gates","by","reason","at"}
    #[arg(long, value_name = "FILE")]
    record: PathBuf,

    /// Who promotes it
    #[arg(long, value_name = "WHO")]
    by: String,

    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,

    /// Gates that must have passed, besides those that the image's results name
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    require: Vec<String>,

    /// Gates that may have been skipped, or never looked
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    accept_skipped: Vec<String>,

    /// Accept an image of local bases or of changed files: for the account on this machine
    #[arg(long)]
    accept_local: bool,

    /// Where a signed attestation of the image was verified, for the record
    #[arg(long, value_name = "TEXT")]
    attestation: Option<String>,
}

/// An environment, as far as images go. That much is known of one whose state is out of reach.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Environment {
    environment: String,
    repository: String,
    region: String,
    image_parameter: String,
}

/// The same, read and checked.
struct Known {
    place: Place,
    region: Region,
    image_parameter: String,
}

impl Known {
    fn place(&self) -> Place {
        self.place.clone()
    }
}

fn environment(path: &Path) -> Result<Known, Failure> {
    let wrong = |error: &dyn std::fmt::Display| -> Failure {
        let form = r#"{"environment","repository","region","image_parameter"}"#;
        format!("cannot use {}: {error}; it has to be {form}", path.display()).into()
    };
    let text = file::read_text(path, LARGEST_FILE).map_err(|error| wrong(&error))?;
    let read: Environment = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    let region = read.region.parse().map_err(|error: RegionError| wrong(&error))?;
    let place = Place { environment: read.environment, repository: read.repository };
    Ok(Known { place, region, image_parameter: read.image_parameter })
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Push(arguments) => push(arguments).await,
        Command::Show(arguments) => show(arguments).await,
        Command::Promote(arguments) => promote(arguments).await,
        Command::Deployed(arguments) => deployed(arguments).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Progress. Nobody is left to tell where printing fails, and the work goes on.
fn tell(line: &str) {
    drop(print(line));
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value)?)
}

async fn push(arguments: PushArguments) -> Result<(), Failure> {
    let PushArguments { layout, repository, region, tag, gates, accept_scan, record } = arguments;
    // What an earlier run left is not to be taken for this one's.
    forget(&record)?;
    let aws = aws::connect(&region).await;
    let push = Push { layout, repository, tag, gates, accept_scan };
    let pushed = push.run(&aws, &Clock::system(), &mut tell).await?;
    replace(&record, &json(&pushed)?)
}

async fn show(arguments: ShowArguments) -> Result<(), Failure> {
    let ShowArguments { repository, region, image, manifest } = arguments;
    let image = match (image.digest, image.tag, image.parameter) {
        (Some(digest), ..) => Which::Digest(digest),
        (None, Some(tag), _) => Which::Tag(tag),
        (None, None, Some(parameter)) => Which::Running(parameter),
        (None, None, None) => unreachable!("clap requires one of them"),
    };
    let aws = aws::connect(&region).await;
    let shown = Show { repository, image }.run(&aws).await?;
    if let Some(path) = manifest {
        file::replace(&path, &shown.manifest)
            .map_err(|error| format!("cannot write {}; its folder must exist: {error}", path.display()))?;
    }
    print(&json(&shown)?)
}

async fn deployed(arguments: DeployedArguments) -> Result<(), Failure> {
    let DeployedArguments { repository, region, digest } = arguments;
    let aws = aws::connect(&region).await;
    Deployed { repository, digest }.run(&aws, &mut tell).await?;
    Ok(())
}

async fn promote(arguments: PromoteArguments) -> Result<(), Failure> {
    forget(&arguments.record)?;
    let (from, to) = (environment(&arguments.from)?, environment(&arguments.to)?);
    let (from_aws, to_aws) = (aws::connect(&from.region).await, aws::connect(&to.region).await);
    let PromoteArguments { digest, by, reason, require: required, accept_skipped, record, .. } = arguments;
    let PromoteArguments { accept_local, attestation, .. } = arguments;
    let image_parameter = from.image_parameter.clone();
    let promote = Promote {
        from: from.place(),
        image_parameter,
        to: to.place(),
        digest,
        by,
        reason,
        required,
        accept_skipped,
        accept_local,
        attestation,
    };
    let promotion = promote.run(&from_aws, &to_aws, &Clock::system(), &mut tell).await?;
    replace(&record, &json(&promotion)?)?;
    let (from, to) = (promotion.from.environment, promotion.to.environment);
    print(&format!("{} was promoted from {from} to {to}; roll it out there", promotion.digest))
}
