//! The data of a review: rules, findings and notes.

use serde::{Serialize, Serializer};

use super::document::ResourceChange;
use super::{Plan, Summary};

/// A rule. Its id is never used again for another.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// `RDSIAM` and three digits.
    pub id: &'static str,
    /// Its name, in words joined by hyphens.
    pub name: &'static str,
    /// What it refuses, in one line.
    pub description: &'static str,
    /// Why, and what to do.
    pub help: &'static str,
    /// How bad it is, from 0 to 10, as GitHub's `security-severity` has it.
    pub severity: &'static str,
    pub(super) check: for<'a> fn(&'a Plan, &mut Verdicts<'a>),
}

/// A plan's summary, with what is refused in it. `Display` is the report for a person.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Review {
    /// What would change.
    pub summary: Summary,
    /// What is refused, by rule and address.
    pub findings: Vec<Finding>,
    /// What could not be checked, by rule and address.
    pub notes: Vec<Note>,
}

/// Something that this design forbids.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The rule that refuses it.
    #[serde(serialize_with = "rule_id")]
    pub rule: &'static Rule,
    /// The resource.
    pub address: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
    /// The folder of the module that the resource stands in, from that of the root module.
    pub folder: String,
}

/// Something that a rule could not check, most often because it is known only after apply.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Note {
    /// The rule that could not check it.
    #[serde(serialize_with = "rule_id")]
    pub rule: &'static Rule,
    /// The resource.
    pub address: String,
    /// What could not be checked, and why.
    pub reason: String,
}

fn rule_id<S: Serializer>(rule: &Rule, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(rule.id)
}

impl Review {
    /// Whether anything is refused.
    pub fn is_refused(&self) -> bool {
        !self.findings.is_empty()
    }

    /// The report as JSON.
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
    /// Refuses: what is wrong, and what to do.
    pub(super) fn refuse(
        &mut self,
        resource: &'a ResourceChange,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.refused.push((resource, problem.into(), remedy.into()));
    }

    /// Whether nothing is refused and everything was checked.
    pub(super) fn is_empty(&self) -> bool {
        self.refused.is_empty() && self.unchecked.is_empty()
    }

    /// Adds other verdicts.
    pub(super) fn extend(&mut self, other: Self) {
        self.refused.extend(other.refused);
        self.unchecked.extend(other.unchecked);
    }

    /// Says what could not be checked.
    pub(super) fn unchecked(&mut self, resource: &'a ResourceChange, reason: impl Into<String>) {
        self.unchecked.push((resource, reason.into()));
    }
}
