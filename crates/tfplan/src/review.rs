//! The review of a plan.

use std::fmt;

use serde::{Serialize, Serializer};

use super::address::module_steps;
use super::document::ResourceChange;
use super::reference::names;
use super::rules::{RULES, Rule};
use super::{Plan, Summary, sarif, text};

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

impl Plan {
    /// Summarises the plan and judges it by [`RULES`].
    pub fn review(&self) -> Review {
        let (mut findings, mut notes) = (Vec::new(), Vec::new());
        for rule in &RULES {
            let mut verdicts = Verdicts::default();
            (rule.check)(self, &mut verdicts);
            for (resource, problem, remedy) in verdicts.refused {
                let (address, folder) = (resource.address.clone(), self.folder(resource));
                findings.push(Finding { rule, address, problem, remedy, folder });
            }
            let unchecked = verdicts.unchecked.into_iter();
            notes.extend(unchecked.map(|(resource, reason)| Note {
                rule,
                address: resource.address.clone(),
                reason,
            }));
        }
        findings
            .sort_by(|a, b| (a.rule.id, &a.address, &a.problem).cmp(&(b.rule.id, &b.address, &b.problem)));
        findings.dedup_by(|a, b| (a.rule.id, &a.address, &a.problem) == (b.rule.id, &b.address, &b.problem));
        notes.sort_by(|a, b| (a.rule.id, &a.address, &a.reason).cmp(&(b.rule.id, &b.address, &b.reason)));
        notes.dedup_by(|a, b| (a.rule.id, &a.address, &a.reason) == (b.rule.id, &b.address, &b.reason));
        Review { summary: self.summary(), findings, notes }
    }

    /// Returns the folder of a resource's module, relative to the root module's; the last one that is a folder, where a
    /// module comes from elsewhere.
    fn folder(&self, resource: &ResourceChange) -> String {
        let path = names(&module_steps(&resource.module_address));
        let mut folder = Vec::new();
        for depth in 0..path.len() {
            let call = self.module(&path[..depth]).and_then(|module| module.module_calls.get(&path[depth]));
            let source = call.map(|call| call.source.as_str()).unwrap_or_default();
            if !(source.starts_with("./") || source.starts_with("../")) {
                break;
            }
            join(&mut folder, source);
        }
        if folder.is_empty() { ".".to_owned() } else { folder.join("/") }
    }
}

/// Appends a relative path to a folder.
pub(super) fn join<'a>(folder: &mut Vec<&'a str>, path: &'a str) {
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if folder.last().is_some_and(|last| *last != "..") => drop(folder.pop()),
            part => folder.push(part),
        }
    }
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

    /// The findings as SARIF 2.1.0, for code scanning. `root` is the folder of the root module from that of
    /// the repository, such as `terraform/stacks/service`.
    pub fn to_sarif(&self, root: &str) -> String {
        sarif::sarif(self, root)
    }
}

impl fmt::Display for Review {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(self, f)
    }
}

/// The verdicts of one rule.
#[derive(Debug, Default)]
pub(super) struct Verdicts<'a> {
    refused: Vec<(&'a ResourceChange, String, String)>,
    unchecked: Vec<(&'a ResourceChange, String)>,
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
