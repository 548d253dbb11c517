//! Findings as SARIF 2.1.0 (OASIS), with what GitHub's code scanning asks for.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::review::join;
use super::{Finding, Note, RULES, Review, Rule};

const HOME: &str = env!("CARGO_PKG_NAME");

pub(super) fn sarif(review: &Review, root: &str) -> String {
    let notifications: Vec<_> = review.notes.iter().map(notification).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": HOME,
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": RULES.iter().map(descriptor).collect::<Vec<_>>(),
                },
            },
            // Of its own: code scanning refuses two runs of one tool and category.
            "automationDetails": { "id": "plan/" },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notifications,
            }],
            "results": review.findings.iter().map(|finding| result(finding, root)).collect::<Vec<_>>(),
        }],
    });
    serde_json::to_string_pretty(&log).expect("a JSON value always serialises")
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "name": rule.name,
        "shortDescription": { "text": rule.description },
        "fullDescription": { "text": rule.description },
        "help": { "text": rule.help },
        "defaultConfiguration": { "level": "error" },
        "properties": { "tags": ["security", "terraform"], "security-severity": rule.severity },
    })
}

fn result(finding: &Finding, root: &str) -> Value {
    let index = RULES.iter().position(|rule| rule.id == finding.rule.id);
    let identity = format!("{}\n{}\n{}", finding.rule.id, finding.address, finding.problem);
    let digest: String = Sha256::digest(identity).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    json!({
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": "error",
        "message": { "text": format!("{}: {}. Mend: {}", finding.address, finding.problem, finding.remedy) },
        "locations": [{
            // A plan tells no lines. Code scanning wants a file all the same: the module's first.
            "physicalLocation": {
                "artifactLocation": { "uri": uri(root, &finding.folder) },
                "region": { "startLine": 1 },
            },
            "logicalLocations": [logical(&finding.address)],
        }],
        "partialFingerprints": { "primaryLocationLineHash": digest },
    })
}

fn notification(note: &Note) -> Value {
    json!({
        "level": "note",
        "associatedRule": { "id": note.rule.id },
        "message": { "text": format!("{}: {}", note.address, note.reason) },
        "locations": [{ "logicalLocations": [logical(&note.address)] }],
    })
}

fn logical(address: &str) -> Value {
    json!({ "fullyQualifiedName": address, "kind": "resource" })
}

/// The module's `main.tf`, from the repository's folder.
fn uri(root: &str, folder: &str) -> String {
    let mut parts = Vec::new();
    join(&mut parts, root);
    join(&mut parts, folder);
    parts.push("main.tf");
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let path = parts.join("/");
    path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
