//! The target and the record of a rollout. Data only.

use serde::Serialize;

use super::decide::FailureReason;
use crate::image::Digest;

/// The image to put into service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The image with this digest, in the deployment's repository.
    Image(Digest),
    /// The image before the current one: a rollback.
    Previous,
}

/// The record of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Record {
    /// The requested image, `<repository>@sha256:…`.
    pub image: String,
    /// The image that ran before; `None` at the first rollout.
    pub before: Option<String>,
    /// The outcome.
    pub outcome: Outcome,
    /// The duration in seconds.
    pub seconds: u64,
    /// The reason of a rollback.
    #[serde(skip)]
    pub why: Option<FailureReason>,
}

/// The outcome of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// The requested image is serving.
    RolledOut,
    /// The image was already serving.
    Unchanged,
    /// The rollout failed, and the image before it is serving again.
    Returned,
}
