//! Promotes an image: checks that it runs in one environment, with provenance and passed gates, and copies it
//! with all artifacts to another's repository, with a record of who promoted it and why.

use std::time::Duration;

use aws_config::SdkConfig;
use rds_iam_token::Clock;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::gates::Gates;
use super::inspect::{ImageContents, read_contents, read_tags};
use super::login::login;
use super::manifest::Descriptor;
use super::record::{Gate, ImageLocation, PROMOTION, Promotion};
use super::upload::{attach, attach_document, push_manifest, refuse_other_image, tag};
use super::{Digest, ImageError, Repository, Tag};
use crate::PROGRESS;
use crate::ssm::get_parameters;

/// The clock skew allowed between the machine that ran the gates and this one.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// The number of a commit's hex digits that its tag must contain: git's short form.
const SHORT_COMMIT: usize = 7;

/// The arguments of [`promote`].
#[derive(Clone, Debug)]
pub struct PromotionRequest {
    /// The environment that the image runs in.
    pub from: ImageLocation,
    /// The parameter with the image that runs there.
    pub image_parameter: String,
    /// The environment to copy it to.
    pub to: ImageLocation,
    /// The manifest digest.
    pub digest: Digest,
    /// The name of the person or job that promotes it.
    pub by: String,
    /// The reason, for the record.
    pub reason: String,
    /// Gates that the image must have passed, in addition to those in its results.
    pub required: Vec<String>,
    /// Gates that may be skipped or missing.
    pub accept_skipped: Vec<String>,
    /// Whether an image on local bases, or with files that differ from its commit, is accepted: for deployments in the
    /// account on this machine.
    pub accept_local: bool,
    /// The reference of a signed attestation that was verified, for the record.
    pub attestation: Option<String>,
}

/// Promotes an image; `from_aws` and `to_aws` are configurations of each environment's region. A second run resumes an
/// interrupted one, and returns the record of a finished one.
///
/// # Errors
/// Returns an error if the image is not the one that runs, a gate was skipped that must not be, its commit is
/// unknown or its tag points at another image (nothing was written then); or if a registry refuses.
pub async fn promote(
    from_aws: &SdkConfig,
    to_aws: &SdkConfig,
    clock: &Clock,
    request: &PromotionRequest,
) -> Result<Promotion, ImageError> {
    let digest = &request.digest;
    let source: Repository = request.from.repository.parse()?;
    let target: Repository = request.to.repository.parse()?;
    request.check_running(&source, from_aws).await?;
    let from = login(&source, from_aws).await?;
    let contents = read_contents(&from, digest).await?;
    let (commit, gates) = request.check_contents(&contents, &source, clock)?;
    let name = request.find_tag(&commit, &source, from_aws).await?;
    let to = login(&target, to_aws).await?;
    let tagged = to.tagged(&name).await?;
    refuse_other_image(&target, &name, tagged.as_ref(), digest)?;
    let read = async |blob: &Descriptor| Ok(from.blob(blob).await?);
    push_manifest(&to, &contents.image, read).await?;
    tag(&to, &contents.image, &name, tagged.is_some()).await?;
    for artifact in &contents.artifacts {
        attach(&to, digest, artifact, read, clock).await?;
    }
    let record = request.record(commit, gates, clock);
    let earlier = read_contents(&to, digest).await?.promotions.into_iter();
    if let Some(found) =
        earlier.rev().find(|found| Promotion { at: record.at.clone(), ..found.clone() } == record)
    {
        tracing::info!(target: PROGRESS, "already promoted at {}", found.at);
        return Ok(found);
    }
    let document = serde_json::to_vec(&record).expect("a record serializes");
    attach_document(&to, &contents.image, PROMOTION, &document, clock).await?;
    Ok(record)
}

impl PromotionRequest {
    /// Checks that the image is the one that runs in the source environment.
    async fn check_running(&self, source: &Repository, aws: &SdkConfig) -> Result<(), ImageError> {
        let parameter = self.image_parameter.clone();
        let mut found = get_parameters(aws, std::slice::from_ref(&parameter)).await?;
        let running = found.remove(&parameter).map(|found| found.value);
        if running.as_ref() == Some(&source.image(&self.digest)) {
            return Ok(());
        }
        let environment = self.from.environment.clone();
        Err(ImageError::NotRunning { digest: self.digest.clone(), environment, parameter, running })
    }

    /// Checks the image's artifacts: provenance and gates must be about this image, agree with each other, and allow
    /// its promotion.
    fn check_contents(
        &self,
        contents: &ImageContents,
        source: &Repository,
        clock: &Clock,
    ) -> Result<(String, Vec<Gate>), ImageError> {
        let image = || source.image(&self.digest);
        let refused = |problem: String| ImageError::Evidence { image: image(), problem };
        if contents.provenance.is_empty() {
            return Err(refused("it has no provenance".to_owned()));
        }
        let mut problems =
            contents.provenance.iter().map(|found| found.problem(&self.digest, self.accept_local));
        if let Some(problem) = problems.find_map(|problem| problem) {
            return Err(refused(problem));
        }
        let commit = contents.commit.clone().ok_or_else(|| ImageError::NoCommit { image: image() })?;
        if let Some(other) = contents.gates.iter().find(|gates| gates.commit != commit) {
            let (one, other) = (commit, other.commit.clone());
            return Err(ImageError::Commits { image: image(), one, other });
        }
        let latest = OffsetDateTime::from(clock.now() + CLOCK_SKEW);
        let is_not_past = |gates: &&Gates| gates.time().is_none_or(|at| at > latest);
        if let Some(Gates { at, .. }) = contents.gates.iter().find(is_not_past) {
            return Err(refused(format!("the time {at:?} of its gate results is not in the past")));
        }
        let gates = Gates::agreed(&contents.gates).ok_or_else(|| ImageError::NoGates { image: image() })?;
        let mut skipped = gates.skipped_except(&self.accept_skipped);
        // A gate without a result counts as skipped.
        let has_result = |name: &&String| gates.gates.iter().any(|gate| gate.name == **name);
        let missing = self.required.iter().filter(|name| !has_result(name));
        skipped.extend(missing.filter(|name| !self.accept_skipped.contains(name)).cloned());
        if skipped.is_empty() {
            Ok((commit, gates.gates))
        } else {
            Err(ImageError::Skipped { image: image(), skipped })
        }
    }

    /// Returns the source's tag that contains the commit.
    async fn find_tag(&self, commit: &str, source: &Repository, aws: &SdkConfig) -> Result<Tag, ImageError> {
        let short = commit.get(..SHORT_COMMIT).unwrap_or(commit);
        let tags = read_tags(source, &self.digest, aws).await?;
        let found = tags.iter().find(|tag| tag.contains(short)).and_then(|tag| tag.parse().ok());
        found.ok_or_else(|| ImageError::NoTag {
            image: source.image(&self.digest),
            commit: commit.to_owned(),
            tags,
        })
    }

    fn record(&self, commit: String, gates: Vec<Gate>, clock: &Clock) -> Promotion {
        let now = OffsetDateTime::from(clock.now()).replace_nanosecond(0).expect("0 is in range");
        Promotion {
            from: self.from.clone(),
            to: self.to.clone(),
            digest: self.digest.clone(),
            commit,
            gates,
            by: self.by.clone(),
            reason: self.reason.clone(),
            at: now.format(&Rfc3339).expect("RFC 3339 covers the years 0 to 9999"),
            attestation: self.attestation.clone(),
        }
    }
}
