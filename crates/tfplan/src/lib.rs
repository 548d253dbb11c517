//! Summaries and rules for Terraform plans, as `terraform show -json PLANFILE` prints them. [`RULES`] refuse what this
//! design forbids.
//!
//! Rules check the whole state after the apply, not changes alone. A value known only after apply is neither right nor
//! wrong: a [`Note`] reports what could not be checked, and the plan after the apply shows it. Values that Terraform
//! marks as sensitive are in no report.
//!
//! ```no_run
//! use rds_iam_tfplan::Plan;
//!
//! // terraform plan -out=plan.tfplan && terraform show -json plan.tfplan > plan.json
//! let review = Plan::read("plan.json".as_ref())?.review();
//! println!("{review}");
//! assert!(!review.is_refused());
//! # Ok::<(), rds_iam_tfplan::PlanError>(())
//! ```

mod address;
mod document;
mod error;
mod finding;
mod node;
mod policy;
mod reference;
mod review;
mod rules;
mod sarif;
mod summary;
mod text;

use std::path::Path;

use rds_iam_report::file;
use serde_json::Value;

use document::{Document, Mode, ResourceChange};
use node::Node;

pub use document::Action;
pub use error::{JsonKind, PlanError, PlanErrorKind};
pub use finding::{Finding, Note, Review, Rule};
pub use rules::RULES;
pub use summary::{Counts, OutputChange, ResourceSummary, Summary};

/// The maximum size of a plan: 100 MiB, far more than a stack's.
pub const MAX_BYTES: u64 = 100 * 1024 * 1024;

/// A plan that is complete and in a supported format.
#[derive(Debug)]
pub struct Plan {
    document: Document,
}

impl Plan {
    /// Parses the output of `terraform show -json PLANFILE`.
    ///
    /// # Errors
    /// Returns an error if the text is not a plan, has an unsupported format version, or is the plan of a run
    /// that failed.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        parse(text).map_err(|kind| PlanError::Invalid { path: None, kind })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is larger than [`MAX_BYTES`], or the errors of
    /// [`Plan::parse`].
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        let invalid = |kind| PlanError::Invalid { path: Some(path.to_owned()), kind };
        match file::read_text(path, MAX_BYTES) {
            Ok(text) => parse(&text).map_err(invalid),
            // A plan file is a zip archive, and never UTF-8.
            Err(_) if is_archive(path) => Err(invalid(PlanErrorKind::Binary)),
            Err(source) => Err(PlanError::Read { path: path.to_owned(), source }),
        }
    }

    /// Returns the resources of some types in their state after the apply, including unchanged ones.
    fn resources<'a>(&'a self, kinds: &'a [&str]) -> impl Iterator<Item = &'a ResourceChange> {
        self.document
            .resource_changes
            .iter()
            .filter(move |resource| resource.stays() && kinds.contains(&resource.kind.as_str()))
    }
}

impl ResourceChange {
    /// Returns whether Terraform manages it after the apply.
    fn stays(&self) -> bool {
        let goes = matches!(self.change.action, Action::Destroy | Action::Forget);
        self.mode == Mode::Managed && self.deposed.is_none() && !goes
    }

    /// Returns the values after the apply.
    fn after(&self) -> Node<'_> {
        Node::new(&self.change.after, &self.change.after_unknown, &self.change.after_sensitive)
    }

    /// Returns the current values.
    fn before(&self) -> Node<'_> {
        Node::new(&self.change.before, &Value::Null, &self.change.before_sensitive)
    }
}

fn is_archive(path: &Path) -> bool {
    let mut start = [0; 4];
    let read =
        std::fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut start));
    read.is_ok() && &start == b"PK\x03\x04"
}

fn parse(text: &str) -> Result<Plan, PlanErrorKind> {
    if text.starts_with("PK\u{3}\u{4}") {
        return Err(PlanErrorKind::Binary);
    }
    // Some shells on Windows write a byte-order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first_line = text.lines().next().unwrap_or_default();
    let value: Value = serde_json::from_str(text).map_err(|error| {
        if is_message(first_line) {
            PlanErrorKind::Other(JsonKind::Messages)
        } else if error.is_eof() && !text.trim().is_empty() {
            PlanErrorKind::Truncated
        } else if error.to_string().starts_with("recursion limit exceeded") {
            PlanErrorKind::Part { reason: "it is nested too deep".to_owned() }
        } else {
            PlanErrorKind::Json { line: error.line(), column: error.column() }
        }
    })?;
    let has = |key| value.get(key).is_some();
    if !(has("format_version") && value["planned_values"].is_object()) {
        return Err(PlanErrorKind::Other(if has("lineage") && has("serial") {
            JsonKind::StateFile
        } else if has("@level") {
            JsonKind::Messages
        } else if has("format_version") && (has("values") || has("terraform_version")) {
            JsonKind::ShownState
        } else {
            JsonKind::Unknown
        }));
    }
    let version = value["format_version"].as_str().unwrap_or_default();
    if version.split('.').next() != Some("1") {
        return Err(PlanErrorKind::Version { found: value["format_version"].to_string() });
    }
    // serde's message on a wrong type can quote the value, which may be sensitive: only its path is reported.
    let document: Document = serde_json::from_value(value)
        .map_err(|error| PlanErrorKind::Part { reason: without_values(&error.to_string()) })?;
    if document.errored { Err(PlanErrorKind::Errored) } else { Ok(Plan { document }) }
}

fn is_message(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|value| value.get("@level").is_some())
}

/// Returns serde's "invalid type: string \"…\", expected …" without the value.
fn without_values(error: &str) -> String {
    match (error.split_once(": "), error.rsplit_once(", expected ")) {
        (Some((kind, _)), Some((_, expected))) if kind.starts_with("invalid") => {
            format!("{kind}, expected {expected}")
        }
        _ => error.to_owned(),
    }
}

#[cfg(test)]
mod cluster_tests;
#[cfg(test)]
mod origin_tests;
#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod tests;
