//! Writes findings as SARIF 2.1.0 (OASIS), with the properties that GitHub's code scanning requires.

use std::collections::BTreeMap;

use serde_json::json;
use serde_sarif::sarif::{
    ArtifactLocation, Invocation, Location, LogicalLocation, Message, MultiformatMessageString, Notification,
    NotificationLevel, PhysicalLocation, PropertyBag, Region, ReportingConfiguration,
    ReportingConfigurationLevel, ReportingDescriptor, ReportingDescriptorReference, Result, ResultColumnKind,
    ResultLevel, Run, RunAutomationDetails, Sarif, ToolComponent, Version,
};
use sha2::{Digest as _, Sha256};

use super::review::join;
use super::{Finding, Note, RULES, Review, Rule};

impl Review {
    /// Returns the findings as SARIF 2.1.0, for code scanning. `root` is the path of the root module in the
    /// repository, such as `terraform/stacks/service`.
    pub fn to_sarif(&self, root: &str) -> String {
        sarif(self, root)
    }
}

/// The tool's name in code scanning, which keeps alerts by it: that of the command.
const TOOL: &str = "rds-iam";

fn sarif(review: &Review, root: &str) -> String {
    let driver = ToolComponent::builder()
        .name(TOOL)
        .semantic_version(env!("CARGO_PKG_VERSION"))
        .rules(RULES.iter().map(descriptor).collect::<Vec<_>>())
        .build();
    let invocation = Invocation::builder()
        .execution_successful(true)
        .tool_execution_notifications(review.notes.iter().map(notification).collect::<Vec<_>>())
        .build();
    let run = Run::builder()
        .tool(driver)
        // A separate category: code scanning refuses two runs of one tool and category.
        .automation_details(RunAutomationDetails::builder().id("plan/").build())
        .column_kind(json!(ResultColumnKind::UnicodeCodePoints))
        .invocations([invocation])
        .results(review.findings.iter().map(|finding| result(finding, root)).collect::<Vec<_>>())
        .build();
    let log = Sarif::builder()
        .schema("https://json.schemastore.org/sarif-2.1.0.json")
        .version(json!(Version::V2_1_0))
        .runs([run])
        .build();
    serde_json::to_string_pretty(&log).expect("SARIF has texts alone as keys")
}

fn descriptor(rule: &Rule) -> ReportingDescriptor {
    let text = |text: &str| MultiformatMessageString::builder().text(text).build();
    let level = json!(ReportingConfigurationLevel::Error);
    let properties = PropertyBag::builder()
        .tags(["security", "terraform"].map(String::from))
        .additional_properties(BTreeMap::from([("security-severity".to_owned(), json!(rule.severity))]))
        .build();
    ReportingDescriptor::builder()
        .id(rule.id)
        .name(rule.name)
        .short_description(text(rule.description))
        .full_description(text(rule.description))
        .help(text(rule.help))
        .default_configuration(ReportingConfiguration::builder().level(level).build())
        .properties(properties)
        .build()
}

fn result(finding: &Finding, root: &str) -> Result {
    let index = RULES.iter().position(|rule| rule.id == finding.rule.id).expect("a finding is of a rule");
    let identity = format!("{}\n{}\n{}", finding.rule.id, finding.address, finding.problem);
    let digest: String = Sha256::digest(identity).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    // A plan has no line numbers. Code scanning requires a file, so it is the module's first.
    let file = PhysicalLocation::builder()
        .artifact_location(ArtifactLocation::builder().uri(uri(root, &finding.folder)).build())
        .region(Region::builder().start_line(1_i64).build())
        .build();
    let location =
        Location::builder().physical_location(file).logical_locations([logical(&finding.address)]).build();
    let message = format!("{}: {}. Help: {}", finding.address, finding.problem, finding.remedy);
    Result::builder()
        .rule_id(finding.rule.id)
        .rule_index(i64::try_from(index).expect("there are few rules"))
        .level(ResultLevel::Error)
        .message(&message)
        .locations([location])
        .partial_fingerprints(BTreeMap::from([("primaryLocationLineHash".to_owned(), digest)]))
        .build()
}

fn notification(note: &Note) -> Notification {
    let message = format!("{}: {}", note.address, note.reason);
    Notification::builder()
        .level(json!(NotificationLevel::Note))
        .associated_rule(ReportingDescriptorReference::builder().id(note.rule.id).build())
        .message(Message::from(&message))
        .locations([Location::builder().logical_locations([logical(&note.address)]).build()])
        .build()
}

fn logical(address: &str) -> LogicalLocation {
    LogicalLocation::builder().fully_qualified_name(address).kind("resource").build()
}

/// Returns the path of the module's `main.tf` from the repository's folder.
fn uri(root: &str, folder: &str) -> String {
    let mut parts = Vec::new();
    join(&mut parts, root);
    join(&mut parts, folder);
    parts.push("main.tf");
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let path = parts.join("/");
    path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
