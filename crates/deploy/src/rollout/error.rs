//! Errors of a rollout, with the image that is in service instead.

use super::decide::FailureReason;
use crate::aws::CallError;
use crate::image::{Digest, NameError, Repository};

/// The requested image is not in service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// A call failed before anything was changed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The repository URL of the outputs is invalid.
    #[error(
        "app.repository_url of the outputs is invalid: run `terraform apply` and regenerate outputs.json"
    )]
    Repository(#[from] NameError),
    /// The image was never pushed, or has expired.
    #[error(
        "{digest} is not in {repository}: push or promote it first (`rds-iam image push`, `image promote`)"
    )]
    NotInRepository {
        /// The requested digest.
        digest: Digest,
        /// The repository.
        repository: Repository,
    },
    /// One of the two parameters does not hold an image.
    #[error("parameter {name} is set to {value}; expected {expected}. Delete it and retry")]
    Parameter {
        /// The parameter's name.
        name: String,
        /// The parameter's value, or its type if that is wrong.
        value: String,
        /// The expected form.
        expected: String,
    },
    /// There is no image to roll back to.
    #[error(
        "there is no previous image to roll back to: the second rollout writes {parameter}. Choose an image with --digest"
    )]
    NoPrevious {
        /// The parameter with the previous image.
        parameter: String,
    },
    /// The Auto Scaling group does not exist, or is in no target group.
    #[error("{group} {problem}: run `terraform apply` and regenerate outputs.json")]
    Group {
        /// The Auto Scaling group's name.
        group: String,
        /// The problem.
        problem: &'static str,
    },
    /// Another instance refresh does not end.
    #[error(
        "another instance refresh, {id} of {group}, is still active after {minutes} minutes: check it (`aws autoscaling \
         describe-instance-refreshes`), wait or cancel it, and retry"
    )]
    Busy {
        /// The refresh.
        id: String,
        /// The Auto Scaling group's name.
        group: String,
        /// The time waited.
        minutes: u64,
    },
    /// The refresh could not be started; the parameter has its old value again.
    #[error("the rollout of {image} did not start, and {parameter} is unchanged")]
    NotStarted {
        /// The requested image.
        image: String,
        /// The image parameter.
        parameter: String,
        /// The failed call.
        source: Box<CallError>,
    },
    /// A call failed during the rollout.
    #[error(
        "lost contact with AWS during the rollout; {parameter} now points to {image}. Run the same command again to resume"
    )]
    Interrupted {
        /// The image parameter.
        parameter: String,
        /// The parameter's value.
        image: String,
        /// The failed call.
        source: Box<CallError>,
    },
    /// The rollout failed, and no image is known to be good.
    #[error(
        "the rollout of {image} failed: {why}. There is no good image to roll back to; {parameter} has its value from \
         before, or this image if it had none. Fix the image and roll it out"
    )]
    NoGoodImage {
        /// The requested image.
        image: String,
        /// The reason.
        why: FailureReason,
        /// The image parameter.
        parameter: String,
    },
    /// The rollout failed, and so did the rollback.
    #[error(
        "the rollout of {image} failed: {why}. The rollback to {good} failed too: {rollback}. {parameter} points to {good}. \
         Instances that were not replaced still serve; check the instances and the app's log"
    )]
    RollbackFailed {
        /// The requested image.
        image: String,
        /// The reason of the failed rollout.
        why: Box<FailureReason>,
        /// The last good image.
        good: String,
        /// The reason of the failed rollback.
        rollback: Box<FailureReason>,
        /// The image parameter.
        parameter: String,
    },
}
