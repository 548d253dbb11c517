//! FailureReason an image was not rolled out, and what runs instead.

use super::FailureReason;
use crate::aws::CallError;
use crate::image::{Digest, NameError, Repository};

/// The image asked for does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// A call failed before anything was changed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The outputs' repository is not one.
    #[error("app.repository_url of the outputs cannot be used: run `terraform apply`, and write them anew")]
    Repository(#[from] NameError),
    /// It was never pushed, or is expired.
    #[error(
        "{digest} is not in {repository}: push or promote it first (`rds-iam image push`, `image promote`)"
    )]
    NotInRepository {
        /// The digest asked for.
        digest: Digest,
        /// Where it was looked for.
        repository: Repository,
    },
    /// The image parameter, or the one beside it, holds something else than an image.
    #[error(
        "the parameter {name} holds {value} where {expected} is due: the machines would not start it either; delete \
         it, and run this again"
    )]
    Parameter {
        /// The parameter's name.
        name: String,
        /// Its value, or its type where that is wrong.
        value: String,
        /// What it may hold.
        expected: String,
    },
    /// There is nothing to go back to.
    #[error(
        "there is no image to go back to: {parameter} is written by the second rollout; name one with --digest"
    )]
    NoPrevious {
        /// The parameter that would name it.
        parameter: String,
    },
    /// There is no such group, or no load balancer asks its instances how they are.
    #[error("{group} {problem}: run `terraform apply`, and write the outputs anew")]
    Group {
        /// The Auto Scaling group's name.
        group: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Somebody else's refresh goes on and on.
    #[error(
        "the instance refresh {id} of {group} is going on for another reason, and not over after {minutes} minutes: \
         see it (`aws autoscaling describe-instance-refreshes`), cancel it or wait, and run this again"
    )]
    Busy {
        /// The refresh.
        id: String,
        /// The Auto Scaling group's name.
        group: String,
        /// How long it was waited for.
        minutes: u64,
    },
    /// The image was named and its refresh could not begin; the parameter names what it named before.
    #[error("the rollout of {image} did not begin, and {parameter} is as it was")]
    NotBegun {
        /// The image asked for.
        image: String,
        /// The image parameter.
        parameter: String,
        /// The call that failed.
        source: Box<CallError>,
    },
    /// A call failed while it was going on.
    #[error(
        "the rollout lost sight of what is going on, and {parameter} names {image}: the same command again goes on \
         from there"
    )]
    Lost {
        /// The image parameter.
        parameter: String,
        /// The image that it names.
        image: String,
        /// The call that failed.
        source: Box<CallError>,
    },
    /// It failed, and no image is known to be good.
    #[error(
        "the rollout of {image} failed: {why}; there is no last good image to go back to, and {parameter} names what \
         it named before, or this image where it named none: fix the image and roll out that"
    )]
    NothingToReturnTo {
        /// The image asked for.
        image: String,
        /// Why it does not run.
        why: FailureReason,
        /// The image parameter.
        parameter: String,
    },
    /// It failed, and so did the way back.
    #[error(
        "the rollout of {image} failed: {why}; and going back to {good} failed: {back}; {parameter} names {good}. \
         Instances that were not replaced still serve; see the instances' state and the app's log"
    )]
    NotReturned {
        /// The image asked for.
        image: String,
        /// Why it does not run.
        why: Box<FailureReason>,
        /// The last good image.
        good: String,
        /// Why that does not run either.
        back: Box<FailureReason>,
        /// The image parameter.
        parameter: String,
    },
}
