//! The finding about an assumption. Data only.

use serde::Serialize;

/// The finding about an assumption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The assumption's id in docs/aws-assumptions.md.
    pub id: String,
    /// The assumption.
    pub assumption: String,
    /// The verdict.
    pub verdict: Verdict,
    /// AWS's answer, in short; the reason if it is unknown.
    pub evidence: String,
}

/// The verdict on an assumption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// The assumption holds.
    Holds,
    /// The assumption does not hold.
    Fails,
    /// AWS gave no answer.
    Unknown,
}

/// The verdict on one assumption, with its evidence.
pub(super) type Answer = (Verdict, String);
