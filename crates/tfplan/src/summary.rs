//! The summary of a plan: changes, drift and outputs, with addresses and the names of attributes, never their
//! values.

use serde::Serialize;
use serde_json::Value;

use super::Plan;
use super::document::{Action, Change, Mode, ResourceChange};
use super::node::has_true;

/// The changes of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// The number of resources per action.
    pub counts: Counts,
    /// Every changed resource, in the plan's order.
    pub changes: Vec<ResourceSummary>,
    /// Resources that were destroyed outside Terraform since the last apply, or changed in attributes that
    /// the configuration sets.
    pub drift: Vec<ResourceSummary>,
    /// Outputs that change.
    pub outputs: Vec<OutputChange>,
    /// Whether nothing is left to do after this apply; false if a part was left out, as with `-target`.
    pub complete: bool,
}

/// The number of resources per action. A replaced resource is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Created.
    pub create: usize,
    /// Changed in place.
    pub update: usize,
    /// Destroyed and created again.
    pub replace: usize,
    /// Destroyed.
    pub destroy: usize,
    /// Removed from Terraform's state without being destroyed.
    pub forget: usize,
}

/// The action on one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ResourceSummary {
    /// The address, with the key of a deposed object.
    pub address: String,
    /// The action.
    pub action: Action,
    /// The names of the changed attributes of an update or a replacement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    /// The attributes that force a replacement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replaced_for: Vec<String>,
    /// The former address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<String>,
    /// Whether Terraform imports an existing resource.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
}

/// An output that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OutputChange {
    /// The name.
    pub name: String,
    /// The action.
    pub action: Action,
}

impl Plan {
    /// Returns the summary of the plan's changes.
    pub fn summary(&self) -> Summary {
        let mut counts = Counts::default();
        let mut changes = Vec::new();
        for resource in &self.document.resource_changes {
            if resource.mode != Mode::Managed {
                continue;
            }
            match resource.change.action {
                Action::Create => counts.create += 1,
                Action::Update => counts.update += 1,
                Action::Replace => counts.replace += 1,
                Action::Destroy => counts.destroy += 1,
                Action::Forget => counts.forget += 1,
                Action::NoOp | Action::Read => {}
            }
            let summary = ResourceSummary::from_resource(resource);
            if resource.change.action != Action::NoOp || summary.moved_from.is_some() || summary.imported {
                changes.push(summary);
            }
        }
        let outputs = self.document.output_changes.iter();
        Summary {
            counts,
            changes,
            drift: self.document.resource_drift.iter().filter_map(|resource| self.drift(resource)).collect(),
            outputs: outputs
                .filter(|(_, change)| change.action != Action::NoOp)
                .map(|(name, change)| OutputChange { name: name.clone(), action: change.action })
                .collect(),
            complete: self.document.complete != Some(false),
        }
    }

    /// Returns the change of a resource outside Terraform. Attributes that the configuration leaves to AWS
    /// change all the time, and right after an apply Terraform lists nearly every resource: none of that is
    /// reported.
    fn drift(&self, resource: &ResourceChange) -> Option<ResourceSummary> {
        let mut summary = ResourceSummary::from_resource(resource);
        let (before, after) = (&resource.change.before, &resource.change.after);
        let both_empty = |name: &str| is_empty(&before[name]) && is_empty(&after[name]);
        let known = self.block(resource).is_some();
        summary.attributes.retain(|name| !both_empty(name) && (!known || self.sets(resource, name)));
        (resource.change.action != Action::Update || !summary.attributes.is_empty()).then_some(summary)
    }
}

impl ResourceSummary {
    fn from_resource(resource: &ResourceChange) -> Self {
        let change = &resource.change;
        let both = matches!(change.action, Action::Update | Action::Replace);
        let mut replaced_for: Vec<_> = change
            .replace_paths
            .iter()
            .filter_map(|path| path.first()?.as_str())
            .map(str::to_owned)
            .collect();
        replaced_for.sort();
        replaced_for.dedup();
        Self {
            address: match &resource.deposed {
                Some(key) => format!("{} (deposed object {key})", resource.address),
                None => resource.address.clone(),
            },
            action: change.action,
            attributes: if both { changed(change, &replaced_for) } else { Vec::new() },
            replaced_for,
            moved_from: resource.previous_address.clone().filter(|from| *from != resource.address),
            imported: change.importing.is_some(),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Returns the changed attributes, except those that a replacement computes again, which are most of a
/// resource.
fn changed(change: &Change, replaced_for: &[String]) -> Vec<String> {
    let (Value::Object(before), after) = (&change.before, &change.after) else { return Vec::new() };
    let keys = before.keys().chain(after.as_object().into_iter().flat_map(serde_json::Map::keys));
    let mut keys: Vec<_> = keys
        .filter(|key| {
            if change.after_unknown.get(*key).is_some_and(has_true) {
                return change.action == Action::Update || replaced_for.contains(key);
            }
            before.get(*key).unwrap_or(&Value::Null) != after.get(*key).unwrap_or(&Value::Null)
        })
        .cloned()
        .collect();
    keys.sort();
    keys.dedup();
    keys
}
