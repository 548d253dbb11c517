//! The data of a review: rules, findings and notes.

use serde::{Serialize, Serializer};

use super::document::ResourceChange;
use super::{Plan, Summary};

/// A rule. Its id is never reused.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// `RDSIAM` and three digits.
    pub id: &'static str,
    /// Its name, in words joined by hyphens.
    pub name: &'static str,
    /// The refused configuration, in one line.
    pub description: &'static str,
    /// The reason and the remedy.
    pub help: &'static str,
    /// The severity, from 0 to 10, in the form of GitHub's `security-severity`.
    pub severity: &'static str,
    pub(super) check: for<'a> fn(&'a Plan, &mut Verdicts<'a>),
}

/// A plan's summary and refusals. `Display` is the report for the terminal.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Review {
    /// The changes.
    pub summary: Summary,
    /// The refusals, by rule and address.
    pub findings: Vec<Finding>,
    /// The values that could not be checked, by rule and address.
    pub notes: Vec<Note>,
}

/// A violation of a rule.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The rule that refuses it.
    #[serde(serialize_with = "rule_id")]
    pub rule: &'static Rule,
    /// The resource.
    pub address: String,
    /// The problem.
    pub problem: String,
    /// The remedy.
    pub remedy: String,
    /// The folder of the resource's module, relative to the root module's.
    pub folder: String,
}

/// A value that a rule could not check, most often because it is known only after apply.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Note {
    /// The rule that could not check it.
    #[serde(serialize_with = "rule_id")]
    pub rule: &'static Rule,
    /// The resource.
    pub address: String,
    /// The value that could not be checked, and the reason.
    pub reason: String,
}

fn rule_id<S: Serializer>(rule: &Rule, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(rule.id)
}

impl Review {
    /// Returns whether anything is refused.
    pub fn is_refused(&self) -> bool {
        !self.findings.is_empty()
    }

    /// Returns the report as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("structs with text keys always serialise")
    }
}

/// The verdicts of one rule.
#[derive(Debug, Default)]
pub(super) struct Verdicts<'a> {
    pub(super) refused: Vec<(&'a ResourceChange, String, String)>,
    pub(super) unchecked: Vec<(&'a ResourceChange, String)>,
}

impl<'a> Verdicts<'a> {
    /// Adds a refusal with the problem and the remedy.
    pub(super) fn refuse(
        &mut self,
        resource: &'a ResourceChange,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.refused.push((resource, problem.into(), remedy.into()));
    }

    /// Returns whether nothing is refused and everything was checked.
    pub(super) fn is_empty(&self) -> bool {
        self.refused.is_empty() && self.unchecked.is_empty()
    }

    /// Adds other verdicts.
    pub(super) fn extend(&mut self, other: Self) {
        self.refused.extend(other.refused);
        self.unchecked.extend(other.unchecked);
    }

    /// Adds a note about a value that could not be checked.
    pub(super) fn unchecked(&mut self, resource: &'a ResourceChange, reason: impl Into<String>) {
        self.unchecked.push((resource, reason.into()));
    }
}
