//! Promotes an image: copies the bytes that run in one environment into another's repository, with all that is known
//! of them and a record of who did it and why.

use std::time::Duration;

use aws_config::SdkConfig;
use rds_iam_token::Clock;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::gates::{Gate, Gates};
use super::known::{Known, tags};
use super::login::login;
use super::manifest::Descriptor;
use super::push::{attach, attach_document, blob_of, name, put, refuse_other};
use super::{Digest, ImageError, Repository, Tag};
use crate::ssm::get_parameters;

/// The type of the artifact that carries the record.
pub(super) const PROMOTION: &str = "application/vnd.rds-iam.promotion.v1+json";

/// How far the clock of the machine that ran the gates may be ahead of this one's.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// How much of a commit its tag must hold, in hex digits: git's own short form.
const SHORT_COMMIT: usize = 7;

/// Promotes an image from one deployment to another.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "this is all that a promotion takes, and callers build it")]
pub struct Promote {
    /// Where it runs.
    pub from: Place,
    /// The parameter that names what runs there.
    pub image_parameter: String,
    /// Where it is to run.
    pub to: Place,
    /// What it is.
    pub digest: Digest,
    /// Who promotes it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Gates that it must have passed, besides those that its results name.
    pub required: Vec<String>,
    /// Gates that may have been skipped, or never looked.
    pub accept_skipped: Vec<String>,
    /// Whether an image of local bases, or of files that differ from its commit, is accepted: for deployments in the
    /// account on this machine.
    pub accept_local: bool,
    /// Where a signed attestation of the image was verified before, for the record.
    pub attestation: Option<String>,
}

/// The record of a promotion.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Promotion {
    /// Where it ran.
    pub from: Place,
    /// Where it went.
    pub to: Place,
    /// What it is.
    pub digest: Digest,
    /// The commit that it was built from.
    pub commit: String,
    /// How its gates went.
    pub gates: Vec<Gate>,
    /// Who promoted it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When, as in RFC 3339.
    pub at: String,
    /// Where a signed attestation of the image was verified; nothing where none was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<String>,
}

/// A deployment, as far as images go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a record's form; callers build it")]
pub struct Place {
    /// The environment's name.
    pub environment: String,
    /// The repository's.
    pub repository: String,
}

impl Promote {
    /// Promotes it; `from_aws` and `to_aws` are AWS in each deployment's region. `tell` gets a line for each thing
    /// that happens. Running it again goes on where an earlier run stopped, and finds the record that it left.
    ///
    /// # Errors
    /// Where it is not what runs there, a gate was skipped that may not be, its commit is not known or its tag
    /// names something else (then nothing was written); or a registry refuses.
    pub async fn run(
        &self,
        from_aws: &SdkConfig,
        to_aws: &SdkConfig,
        clock: &Clock,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Promotion, ImageError> {
        let source: Repository = self.from.repository.parse()?;
        let target: Repository = self.to.repository.parse()?;
        self.check_runs(&source, from_aws).await?;
        let from = login(&source, from_aws).await?;
        let known = Known::of(&from, &self.digest).await?;
        let (commit, gates) = self.check_known(&known, &source, clock)?;
        let tag = self.tag(&commit, &source, from_aws).await?;
        let to = login(&target, to_aws).await?;
        let tagged = to.tagged(&tag).await?;
        refuse_other(&target, &tag, tagged.as_ref(), &self.digest)?;
        let read = async |blob: &Descriptor| blob_of(&from, blob).await;
        put(&to, &known.image, read, tell).await?;
        name(&to, &known.image, &tag, tagged.is_some(), tell).await?;
        for artifact in &known.artifacts {
            attach(&to, &self.digest, artifact, read, clock, tell).await?;
        }
        let record = self.record(commit, gates, clock);
        let earlier = Known::of(&to, &self.digest).await?.promotions.into_iter();
        if let Some(found) =
            earlier.rev().find(|found| Promotion { at: record.at.clone(), ..found.clone() } == record)
        {
            tell(&format!("promoted already, at {}", found.at));
            return Ok(found);
        }
        let document = serde_json::to_vec(&record).expect("a record has text alone");
        attach_document(&to, &known.image, PROMOTION, &document, clock, tell).await?;
        Ok(record)
    }

    /// What is promoted is what was tried.
    async fn check_runs(&self, source: &Repository, aws: &SdkConfig) -> Result<(), ImageError> {
        let parameter = self.image_parameter.clone();
        let mut found = get_parameters(aws, std::slice::from_ref(&parameter)).await?;
        let running = found.remove(&parameter).map(|found| found.value);
        if running.as_ref() == Some(&source.image(&self.digest)) {
            return Ok(());
        }
        let environment = self.from.environment.clone();
        Err(ImageError::NotRunning { digest: self.digest.clone(), environment, parameter, running })
    }

    /// Checks what comes with the image: provenance and gates must be about this image, agree with each other, and
    /// say that it may be promoted.
    fn check_known(
        &self,
        known: &Known,
        source: &Repository,
        clock: &Clock,
    ) -> Result<(String, Vec<Gate>), ImageError> {
        let image = || source.image(&self.digest);
        let refused = |problem: String| ImageError::Evidence { image: image(), problem };
        if known.provenance.is_empty() {
            return Err(refused("it has no provenance".to_owned()));
        }
        let mut problems =
            known.provenance.iter().map(|found| found.problem(&self.digest, self.accept_local));
        if let Some(problem) = problems.find_map(|problem| problem) {
            return Err(refused(problem));
        }
        let commit = known.commit.clone().ok_or_else(|| ImageError::NoCommit { image: image() })?;
        if let Some(other) = known.gates.iter().find(|gates| gates.commit != commit) {
            let (one, other) = (commit, other.commit.clone());
            return Err(ImageError::Commits { image: image(), one, other });
        }
        let latest = OffsetDateTime::from(clock.now() + CLOCK_SKEW);
        let is_no_time = |gates: &&Gates| gates.time().is_none_or(|at| at > latest);
        if let Some(Gates { at, .. }) = known.gates.iter().find(is_no_time) {
            return Err(refused(format!("results of its gates are of {at:?}, which is no time until now")));
        }
        let gates = Gates::agreed(&known.gates).ok_or_else(|| ImageError::NoGates { image: image() })?;
        let mut skipped = gates.skipped_but(&self.accept_skipped);
        // One that never looked is as good as skipped.
        let looked = |name: &&String| gates.gates.iter().any(|gate| gate.name == **name);
        skipped.extend(
            self.required.iter().filter(|name| !looked(name) && !self.accept_skipped.contains(name)).cloned(),
        );
        if skipped.is_empty() {
            Ok((commit, gates.gates))
        } else {
            Err(ImageError::Skipped { image: image(), skipped })
        }
    }

    /// The tag that was made from the commit.
    async fn tag(&self, commit: &str, source: &Repository, aws: &SdkConfig) -> Result<Tag, ImageError> {
        let short = commit.get(..SHORT_COMMIT).unwrap_or(commit);
        let tags = tags(source, &self.digest, aws).await?;
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
            at: now.format(&Rfc3339).expect("a time of this millennium has that form"),
            attestation: self.attestation.clone(),
        }
    }
}
