//! `rds-iam image`: pushes, shows and promotes images in ECR, and marks one as deployed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use rds_iam_deploy::image::{
    self, Digest, ImageLocation, ImageRef, PromotionRequest, PushOptions, Repository, Tag,
};
use rds_iam_report::file;
use rds_iam_token::{Clock, Region, RegionError};
use serde::Deserialize;

use crate::credentials::CredentialsOptions;
use crate::{Failure, check_output, json, prepare_record, print, print_done, replace};

/// The maximum size of an environment file, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Push, show and promote images in ECR, by digest
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

/// Mark an image as deployed, so that the repository's lifecycle policy keeps it
///
/// Tags it as deployed-<first 12 digits of its digest>. A second run changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam image deployed --repository 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders \\
      --region us-east-1 --digest sha256:…

Exit status:
  0   the image has the tag
  1   error; the message names the cause and the fix, and a second run is safe
  64  invalid arguments; nothing was done")]
struct DeployedArguments {
    /// Repository of the image
    #[arg(long, value_name = "URL")]
    repository: Repository,

    /// Region of the repository
    #[arg(long)]
    region: Region,

    /// Digest of the image, sha256:…
    #[arg(long)]
    digest: Digest,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

/// Push an image with its SBOM, provenance and gate results, and wait for ECR's scan
///
/// Content that the repository has is skipped, so a second run resumes an interrupted push. A tag of another image is
/// refused.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam image push --layout built --repository 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders \\
      --region us-east-1 --tag 0a1b2c3d4e5f --gates gates.json --record pushed.json

Exit status:
  0   the image and its artifacts are in the repository, and the scan found nothing critical
  1   error; the message names the cause and the fix, and a second run is safe
  64  invalid arguments; nothing was done")]
struct PushArguments {
    /// Folder of an OCI image layout: the image, then the artifacts that refer to it
    #[arg(long, value_name = "DIR")]
    layout: PathBuf,

    /// Repository to push to: app.repository_url of the outputs
    #[arg(long, value_name = "URL")]
    repository: Repository,

    /// Region of the repository
    #[arg(long)]
    region: Region,

    /// Tag of the image; immutable
    #[arg(long)]
    tag: Tag,

    /// Gate results to attach to the image
    #[arg(long, value_name = "FILE")]
    gates: Option<PathBuf>,

    /// Accept an image that ECR did not scan, with one of these statuses: off, UNSUPPORTED_IMAGE
    #[arg(long, value_name = "STATUSES", value_delimiter = ',')]
    accept_scan: Vec<String>,

    /// Write the record to FILE, as JSON: {"repository","digest","tag","size","scan"}
    #[arg(long, value_name = "FILE")]
    record: PathBuf,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

/// Print an image's record as JSON
///
/// {"repository","digest","tags","size","commit","gates","promotions"}
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam image show --repository 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders \\
      --region us-east-1 --tag 0a1b2c3d4e5f

Exit status:
  0   the record is printed
  1   error; the message names the cause and the fix, and a second run is safe
  64  invalid arguments; nothing was done")]
struct ShowArguments {
    /// Repository of the image
    #[arg(long, value_name = "URL")]
    repository: Repository,

    /// Region of the repository
    #[arg(long)]
    region: Region,

    #[command(flatten)]
    image: ImageArguments,

    /// Also write the image's manifest to FILE: the bytes that the digest is computed from
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct ImageArguments {
    /// Digest of the image, sha256:…
    #[arg(long)]
    digest: Option<Digest>,

    /// Tag of the image
    #[arg(long)]
    tag: Option<Tag>,

    /// Parameter with the image in service, such as /dev/app/image
    #[arg(long, value_name = "NAME")]
    parameter: Option<String>,
}

/// Copy the image in service from one environment to another, with a record of who and why
///
/// The bytes stay the same. All gates must have passed. The image is not rolled out.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam image promote --from dev.json --to prod.json --digest sha256:… --by ada \\
      --reason \"release 7\" --record promotion.json

Exit status:
  0   the image is in the other repository; it is not rolled out
  1   error; the message names the cause and the fix, and a second run is safe
  64  invalid arguments; nothing was done")]
struct PromoteArguments {
    /// Environment to copy from, as JSON: {"environment","repository","region","image_parameter"}
    #[arg(long, value_name = "FILE")]
    from: PathBuf,

    /// Environment to copy to, in the same format
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    /// Digest of the image, sha256:…
    #[arg(long)]
    digest: Digest,

    /// Write the record to FILE, as JSON: {"from","to","digest","commit","gates","by","reason","at"}
    #[arg(long, value_name = "FILE")]
    record: PathBuf,

    /// Name of the person or job that promotes the image
    #[arg(long, value_name = "NAME")]
    by: String,

    /// Reason of the promotion
    #[arg(long, value_name = "TEXT")]
    reason: String,

    /// Gates that must have passed, in addition to those in the image's results
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    require: Vec<String>,

    /// Gates that may be skipped or missing
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    accept_skipped: Vec<String>,

    /// Accept an image on local bases or with changed files, for the account on this machine
    #[arg(long)]
    accept_local: bool,

    /// Reference of a signed attestation that was verified, for the record
    #[arg(long, value_name = "TEXT")]
    attestation: Option<String>,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

/// An environment file: the facts that are known without access to the environment's state.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Environment {
    environment: String,
    repository: String,
    region: String,
    image_parameter: String,
}

/// A validated environment file.
struct ValidEnvironment {
    location: ImageLocation,
    region: Region,
    image_parameter: String,
}

fn read_environment(path: &Path) -> Result<ValidEnvironment, Failure> {
    let invalid = |error: &dyn std::fmt::Display| -> Failure {
        let form = r#"{"environment","repository","region","image_parameter"}"#;
        format!("cannot use {}: {error}; expected {form}", path.display()).into()
    };
    let text = file::read_text(path, MAX_BYTES).map_err(|error| invalid(&error))?;
    let read: Environment = serde_json::from_str(&text).map_err(|error| invalid(&error))?;
    let region = read.region.parse().map_err(|error: RegionError| invalid(&error))?;
    let location = ImageLocation { environment: read.environment, repository: read.repository };
    Ok(ValidEnvironment { location, region, image_parameter: read.image_parameter })
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

async fn push(arguments: PushArguments) -> Result<(), Failure> {
    let PushArguments { layout, repository, region, tag, gates, accept_scan, record, credentials } =
        arguments;
    let aws = credentials.connect(&region).await?;
    let of_layout = ["index.json", "oci-layout"].map(|name| layout.join(name));
    let inputs: Vec<&Path> = gates.iter().chain(&of_layout).map(PathBuf::as_path).collect();
    refuse_inside(&record, &layout.join("blobs"))?;
    prepare_record(&record, &inputs)?;
    let options = PushOptions { gates, accept_scan };
    let pushed = image::push(&aws, &Clock::system(), &layout, &repository, &tag, &options).await?;
    replace(&record, &json(&pushed)?)
}

/// Refuses a record in the folder of the image's blobs, where it could replace one.
fn refuse_inside(record: &Path, blobs: &Path) -> Result<(), Failure> {
    let folder = record.parent().unwrap_or(record);
    match (folder.canonicalize(), blobs.canonicalize()) {
        (Ok(folder), Ok(blobs)) if folder.starts_with(&blobs) => {
            Err(format!("{} is in the image, which is an input: name another file", record.display()).into())
        }
        _ => Ok(()),
    }
}

async fn show(arguments: ShowArguments) -> Result<(), Failure> {
    let ShowArguments { repository, region, image, manifest, credentials } = arguments;
    let image = match (image.digest, image.tag, image.parameter) {
        (Some(digest), ..) => ImageRef::Digest(digest),
        (None, Some(tag), _) => ImageRef::Tag(tag),
        (None, None, Some(parameter)) => ImageRef::Running(parameter),
        (None, None, None) => unreachable!("clap requires one of them"),
    };
    manifest.iter().try_for_each(|path| check_output(path, &[]))?;
    let aws = credentials.connect(&region).await?;
    let record = image::inspect(&aws, &repository, &image).await?;
    if let Some(path) = manifest {
        file::replace(&path, &record.manifest)
            .map_err(|error| format!("cannot write {}; its folder must exist: {error}", path.display()))?;
    }
    print(&json(&record)?)
}

async fn deployed(arguments: DeployedArguments) -> Result<(), Failure> {
    let DeployedArguments { repository, region, digest, credentials } = arguments;
    let aws = credentials.connect(&region).await?;
    image::mark_deployed(&aws, &repository, &digest).await?;
    Ok(())
}

async fn promote(arguments: PromoteArguments) -> Result<(), Failure> {
    let (from, to) = (read_environment(&arguments.from)?, read_environment(&arguments.to)?);
    let credentials = &arguments.credentials;
    let (from_aws, to_aws) =
        (credentials.connect(&from.region).await?, credentials.connect(&to.region).await?);
    prepare_record(&arguments.record, &[&arguments.from, &arguments.to])?;
    let PromoteArguments { digest, by, reason, require: required, accept_skipped, record, .. } = arguments;
    let PromoteArguments { accept_local, attestation, .. } = arguments;
    let request = PromotionRequest {
        from: from.location,
        image_parameter: from.image_parameter,
        to: to.location,
        digest,
        by,
        reason,
        required,
        accept_skipped,
        accept_local,
        attestation,
    };
    let promotion = image::promote(&from_aws, &to_aws, &Clock::system(), &request).await?;
    replace(&record, &json(&promotion)?)?;
    let (from, to) = (promotion.from.environment, promotion.to.environment);
    let done = format!("promoted {} from {from} to {to}; roll it out there", promotion.digest);
    print_done(&done, &done)
}
