//! Errors of image operations, with their fixes.

use std::path::PathBuf;

use super::name::{Digest, NameError, Repository, Tag};
use super::record::{SCAN_OFF, Scan};
use super::registry_error::RegistryError;
use crate::aws::CallError;

/// An image was not pushed, inspected, marked or promoted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// An AWS call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A registry call failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The repository URL of the outputs is invalid.
    #[error(
        "app.repository_url of the outputs is invalid: run `terraform apply` and regenerate outputs.json"
    )]
    Repository(#[from] NameError),
    /// A file of the layout, or the gates file, could not be read.
    #[error("cannot read {}; if it does not exist, build the image again", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The layout is invalid.
    #[error("{} {problem}: build the image again", folder.display())]
    Layout {
        /// The layout's folder.
        folder: PathBuf,
        /// The problem.
        problem: String,
    },
    /// The gates file is invalid or about another image.
    #[error("{} {problem}: run the gates again, on the image to push", path.display())]
    Gates {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// ECR returned no token.
    #[error("ECR returned no login for {registry}: retry, and check AWS_ENDPOINT_URL if it happens again")]
    NoLogin {
        /// The registry's host.
        registry: String,
    },
    /// ECR's token is for another registry.
    #[error(
        "ECR returned a login for {endpoint:?}, but the image belongs to {registry}: use credentials of that account, in \
         its region"
    )]
    Endpoint {
        /// The token's registry.
        endpoint: String,
        /// The expected registry.
        registry: String,
    },
    /// ECR's token is not for the registry to log in to.
    #[error(
        "ECR returned a login for {endpoint:?}, which is not in the region of {registry}: check AWS_ENDPOINT_URL and the \
         proxy to AWS"
    )]
    OtherRegistry {
        /// The token's registry.
        endpoint: String,
        /// The registry to log in to.
        registry: String,
    },
    /// The tag points at another image.
    #[error(
        "{repository}:{tag} is already {found}, but the image to push is {image}: tags are immutable and a commit has one \
         image; repeat the original build, or commit the changes"
    )]
    TagTaken {
        /// The tag.
        tag: Tag,
        /// The repository.
        repository: Repository,
        /// The digest that the tag points at.
        found: Digest,
        /// The image to push.
        image: Digest,
    },
    /// A read after a write returned something else.
    #[error(
        "{name} in {repository} reads back as {}: retry; if it happens again, do not trust the registry",
        found.as_ref().map_or("nothing", Digest::as_str)
    )]
    ReadBack {
        /// The digest or tag.
        name: String,
        /// The repository.
        repository: Repository,
        /// The digest that was read.
        found: Option<Digest>,
    },
    /// The image does not exist.
    #[error("{name} is not in {repository}: push or promote it first, or choose another image")]
    Missing {
        /// The digest or tag.
        name: String,
        /// The repository.
        repository: Repository,
    },
    /// ECR's scan has critical or high findings.
    #[error(
        "the scan of {image} found {} critical and {} high vulnerabilities: the image was pushed, but must not be rolled \
         out. See `aws ecr describe-image-scan-findings`, and build on a base without them",
        scan.critical, scan.high
    )]
    Findings {
        /// The image.
        image: String,
        /// The result of the scan.
        scan: Scan,
    },
    /// ECR did not scan the image.
    #[error(
        "{image} was not scanned ({status}): the image was pushed, but must not be rolled out. {}, or accept the status \
         with --accept-scan {status}",
        if status == SCAN_OFF { "Enable scan on push for the repository" } else { "Build on a base that ECR supports" }
    )]
    Unscanned {
        /// The image.
        image: String,
        /// ECR's status, or `off`.
        status: String,
    },
    /// ECR's scan failed or timed out.
    #[error(
        "the scan of {image} {problem}: the image was pushed; run the same command again to check the scan again"
    )]
    NoScan {
        /// The image.
        image: String,
        /// The problem.
        problem: String,
    },
    /// The image's label, provenance and gates have different commits.
    #[error(
        "{image} has two commits, {one} and {other}: label, provenance and gate results must agree; build it again"
    )]
    Commits {
        /// The image.
        image: String,
        /// A commit.
        one: String,
        /// Another commit.
        other: String,
    },
    /// The image has no commit.
    #[error(
        "{image} has no commit in its label or provenance: only images built by the pipeline can be promoted"
    )]
    NoCommit {
        /// The image.
        image: String,
    },
    /// The image has no gate results.
    #[error("{image} has no gate results: push it again with them (`image push --gates`)")]
    NoGates {
        /// The image.
        image: String,
    },
    /// The image's provenance or gate results forbid a promotion.
    #[error(
        "{image} can't be promoted: {problem}. Deploy a commit on main with the pipeline, and promote that"
    )]
    Evidence {
        /// The image.
        image: String,
        /// The problem.
        problem: String,
    },
    /// Gates were skipped.
    #[error(
        "gates of {image} were skipped in at least one run: {}. Accept them with --accept-skipped {}, or deploy another \
         commit without skipping",
        skipped.join(", "), skipped.join(",")
    )]
    Skipped {
        /// The image.
        image: String,
        /// The gates' names.
        skipped: Vec<String>,
    },
    /// Another image runs in the source environment.
    #[error(
        "{digest} does not run in {environment}: {parameter} is {}. Roll it out there first, or promote the running image",
        running.as_deref().unwrap_or("not set")
    )]
    NotRunning {
        /// The digest to promote.
        digest: Digest,
        /// The environment's name.
        environment: String,
        /// The environment's image parameter.
        parameter: String,
        /// The parameter's value.
        running: Option<String>,
    },
    /// The image parameter does not hold an image of the repository.
    #[error(
        "{parameter} is {}, not an image of {repository}: deploy there first",
        value.as_deref().unwrap_or("not set")
    )]
    NothingRuns {
        /// The parameter.
        parameter: String,
        /// The repository.
        repository: Repository,
        /// The parameter's value.
        value: Option<String>,
    },
    /// No tag of the image contains its commit.
    #[error("{image} has no tag with its commit {commit} (its tags: {}): push it again with one", list(tags))]
    NoTag {
        /// The image.
        image: String,
        /// The commit.
        commit: String,
        /// The image's tags.
        tags: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
