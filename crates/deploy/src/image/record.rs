//! The records of images: results of a push, an inspection, a scan and a promotion. Data only.

use aws_sdk_ecr::types::ScanStatus;
use serde::{Deserialize, Serialize};

use super::name::Digest;

/// The artifact type of a promotion's record.
pub(super) const PROMOTION: &str = "application/vnd.rds-iam.promotion.v1+json";

/// The status of an image whose repository does not scan on push.
pub(super) const SCAN_OFF: &str = "off";

/// An image that was pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pushed {
    /// The repository URL.
    pub repository: String,
    /// The manifest digest.
    pub digest: Digest,
    /// The tag.
    pub tag: String,
    /// The compressed size of config and layers, in bytes.
    pub size: u64,
    /// The result of ECR's scan.
    pub scan: Scan,
}

/// The result of ECR's scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Scan {
    /// ECR's status (`COMPLETE`, `ACTIVE`, `UNSUPPORTED_IMAGE`), or `off` if the repository does not scan on push.
    pub status: String,
    /// The number of critical findings.
    pub critical: u32,
    /// The number of high findings.
    pub high: u32,
}

impl Scan {
    /// Returns whether the image was scanned.
    pub fn is_done(&self) -> bool {
        self.status == ScanStatus::Complete.as_str() || self.status == ScanStatus::Active.as_str()
    }
}

/// A gate and its result.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Gate {
    /// The gate's name.
    pub name: String,
    /// The result.
    pub result: GateResult,
    /// The reason why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The result of a gate. A failed gate ends the run, so it is never recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum GateResult {
    /// No findings.
    Passed,
    /// Skipped by name.
    Skipped,
}

/// The record of an image in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImageRecord {
    /// The repository URL.
    pub repository: String,
    /// The manifest digest.
    pub digest: Digest,
    /// The tags that point at this digest.
    pub tags: Vec<String>,
    /// The compressed size of config and layers, in bytes.
    pub size: u64,
    /// The commit of the image's label and provenance, which agree.
    pub commit: Option<String>,
    /// The gate results that all runs agree on; empty without results.
    pub gates: Vec<Gate>,
    /// The promotions of the image, oldest first.
    pub promotions: Vec<Promotion>,
    /// The manifest: the text that the digest is computed from.
    #[serde(skip)]
    pub manifest: String,
}

/// The record of a promotion.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Promotion {
    /// The environment that the image came from.
    pub from: ImageLocation,
    /// The environment that it was copied to.
    pub to: ImageLocation,
    /// The manifest digest.
    pub digest: Digest,
    /// The commit that the image was built from.
    pub commit: String,
    /// The gate results.
    pub gates: Vec<Gate>,
    /// The name of the person or job that promoted it.
    pub by: String,
    /// The reason given.
    pub reason: String,
    /// The time, in RFC 3339 format.
    pub at: String,
    /// The reference of a signed attestation that was verified; `None` if none was required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<String>,
}

/// An environment and its repository.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ImageLocation {
    /// The environment's name.
    pub environment: String,
    /// The repository URL.
    pub repository: String,
}
