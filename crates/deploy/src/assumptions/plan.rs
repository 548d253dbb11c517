//! Checks that a second Terraform plan changes nothing. Lists the resources and outputs that change.

use serde_json::Value;

use super::finding::{Answer, Verdict};

/// The number of changes that are listed.
const MAX_LISTED: usize = 10;

/// Returns the verdict on a plan: it holds if no resource or output changes.
pub(super) fn changes(plan: &Value) -> Answer {
    let Some(resources) = plan["resource_changes"].as_array() else {
        return (Verdict::Unknown, "the file is not a plan of `terraform show -json`".to_owned());
    };
    let changes = |change: &Value| {
        let actions = change["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
        !actions.iter().all(|action| action == "no-op" || action == "read")
    };
    let resources = resources.iter().filter(|resource| changes(&resource["change"]));
    let resources = resources.filter_map(|resource| resource["address"].as_str()).map(str::to_owned);
    let outputs = plan["output_changes"].as_object().into_iter().flatten();
    let outputs = outputs.filter(|(_, change)| changes(change)).map(|(name, _)| format!("output.{name}"));
    let found: Vec<String> = resources.chain(outputs).collect();
    if found.is_empty() {
        return (Verdict::Holds, "no changes".to_owned());
    }
    let named = found.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>().join(", ");
    (Verdict::Fails, format!("{} changes: {named}", found.len()))
}
