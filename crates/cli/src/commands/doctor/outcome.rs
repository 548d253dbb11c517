//! The judgement of a step.

use serde::Serialize;

use super::facts::Facts;

/// The judgement of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub(super) enum Outcome {
    /// Nothing is wrong.
    Ok {
        /// What was found.
        detail: String,
    },
    /// The broken link.
    Failed {
        /// Why a login can't succeed.
        cause: String,
        /// What to change: a command, a policy, SQL.
        fix: String,
    },
    /// Nothing is known, since AWS or a setting is missing.
    Skipped {
        /// The reason.
        reason: String,
    },
    /// Nothing is known, since an earlier step failed.
    NotReached,
}

impl Outcome {
    pub(super) fn ok(detail: impl Into<String>) -> Self {
        Self::Ok { detail: detail.into() }
    }

    pub(super) fn failed(cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Failed { cause: cause.into(), fix: fix.into() }
    }

    pub(super) fn skipped(reason: impl Into<String>) -> Self {
        Self::Skipped { reason: reason.into() }
    }
}

/// Returns the reason to skip a step that needs the network, if there is one.
pub(super) fn without_network(facts: &Facts) -> Outcome {
    if facts.offline { Outcome::skipped("--offline") } else { Outcome::NotReached }
}
