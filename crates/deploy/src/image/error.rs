//! Why an image is not where it should be, and what to do about it.

use std::path::PathBuf;

use super::{Digest, NameError, RegistryError, Repository, Scan, Tag};
use crate::aws::CallError;

/// An image was not pushed, shown or promoted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A call of AWS failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The registry did not do what it was asked.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The outputs' repository is not one.
    #[error("app.repository_url of the outputs cannot be used: run `terraform apply`, and write them anew")]
    Repository(#[from] NameError),
    /// A file of the layout, or the gates, could not be read.
    #[error("cannot read {}; build the image again where it is not there", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder is not what a build leaves.
    #[error("{} {problem}: build the image again", folder.display())]
    Layout {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The results of the gates are not this image's.
    #[error("{} {problem}: run the gates again, on the image that is pushed", path.display())]
    Gates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// ECR gave no token.
    #[error(
        "ECR gave no login for {registry}: run this again; if it stays, AWS_ENDPOINT_URL names something else"
    )]
    NoLogin {
        /// The registry's host.
        registry: String,
    },
    /// ECR's token is for another registry.
    #[error(
        "the login that ECR gave is for {endpoint:?}, and the image belongs to {registry}: use credentials of that \
         account, in its region"
    )]
    Endpoint {
        /// Where the token is for.
        endpoint: String,
        /// Where it would have to be for.
        registry: String,
    },
    /// A tag is given once.
    #[error(
        "{repository}:{tag} is {found} already, and the image here is {image}: a commit has one image; build it as \
         it was built then, or commit what is different"
    )]
    TagTaken {
        /// The tag.
        tag: Tag,
        /// Where.
        repository: Repository,
        /// What it names.
        found: Digest,
        /// What it should have named.
        image: Digest,
    },
    /// What was written reads differently.
    #[error(
        "{name} in {repository} reads back as {}: run this again; if it stays, the registry is not to be trusted",
        found.as_ref().map_or("nothing", Digest::as_str)
    )]
    ReadBack {
        /// The digest or tag.
        name: String,
        /// Where.
        repository: Repository,
        /// What is there.
        found: Option<Digest>,
    },
    /// It is not there.
    #[error("{name} is not in {repository}: push or promote it first, or name another")]
    Missing {
        /// The digest or tag.
        name: String,
        /// Where.
        repository: Repository,
    },
    /// ECR's scan found something.
    #[error(
        "the scan of {image} found {} critical and {} high: the image was pushed, and must not be rolled out; see \
         `aws ecr describe-image-scan-findings`, and build it on a base without them",
        scan.critical, scan.high
    )]
    Findings {
        /// The image.
        image: String,
        /// What was found.
        scan: Scan,
    },
    /// ECR did not scan it.
    #[error(
        "{image} was not scanned ({status}): the image was pushed, and must not be rolled out. {}; or accept that by \
         name (--accept-scan {status})",
        if status == super::scan::OFF { "Let the repository scan on push" } else { "Build it on a base that ECR knows" }
    )]
    Unscanned {
        /// The image.
        image: String,
        /// ECR's name for it, or `off`.
        status: String,
    },
    /// ECR's scan came to no end.
    #[error(
        "the scan of {image} {problem}: the image was pushed; run this again, which looks at the scan again"
    )]
    NoScan {
        /// The image.
        image: String,
        /// What became of the scan.
        problem: String,
    },
    /// Two commits are named as the image's.
    #[error(
        "{image} names two commits, {one} and {other}: its label, provenance and gates must agree; build it again"
    )]
    Commits {
        /// The image.
        image: String,
        /// One.
        one: String,
        /// Another.
        other: String,
    },
    /// No commit is named.
    #[error(
        "{image} does not say which commit it was built from: only what the pipeline builds can be promoted"
    )]
    NoCommit {
        /// The image.
        image: String,
    },
    /// There are no results of gates.
    #[error("{image} has no results of gates: push it again with them (`image push --gates`)")]
    NoGates {
        /// The image.
        image: String,
    },
    /// What comes with the image speaks against it.
    #[error(
        "{image} can't be promoted: {problem}. Deploy a commit on main by the pipeline, and promote that"
    )]
    Evidence {
        /// The image.
        image: String,
        /// What was found.
        problem: String,
    },
    /// Gates were skipped.
    #[error(
        "of the gates of {image}, {} skipped in at least one run over it: accept that by name (--accept-skipped {}), \
         or deploy another commit without skipping them",
        were(skipped), skipped.join(",")
    )]
    Skipped {
        /// The image.
        image: String,
        /// The gates' names.
        skipped: Vec<String>,
    },
    /// Something else runs there.
    #[error(
        "{digest} is not what runs in {environment}: {parameter} names {}; roll it out there first, or promote that",
        running.as_deref().unwrap_or("nothing")
    )]
    NotRunning {
        /// The digest that was asked for.
        digest: Digest,
        /// The environment's name.
        environment: String,
        /// Its image parameter.
        parameter: String,
        /// What that names.
        running: Option<String>,
    },
    /// The parameter names no image of the repository.
    #[error("{parameter} names no image of {repository}, but {}: deploy there first",
        value.as_deref().unwrap_or("nothing"))]
    NothingRuns {
        /// The parameter.
        parameter: String,
        /// The repository.
        repository: Repository,
        /// What it names.
        value: Option<String>,
    },
    /// No tag is made from the commit.
    #[error("{image} has no tag of its commit {commit} (it has {}): push it again under one", list(tags))]
    NoTag {
        /// The image.
        image: String,
        /// The commit.
        commit: String,
        /// The tags that it has.
        tags: Vec<String>,
    },
}

fn were(names: &[String]) -> String {
    let verb = if names.len() == 1 { "was" } else { "were" };
    format!("{} {verb}", names.join(", "))
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
