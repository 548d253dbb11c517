//! A plan for people: the short table of a pull request's comment and a job's summary.

use serde_json::Value;

use crate::context::Context;
use rds_iam_process::error::Error;

/// How many changes a table lists; GitHub takes 65,536 characters in a comment.
const MOST_ROWS: usize = 60;

/// Of a report of `rds-iam plan --format json`, as Markdown: addresses and names, never values.
///
/// # Errors
/// When the run is for no environment.
pub(crate) fn plan(context: &Context<'_>, report: &Value) -> Result<String, Error> {
    Ok(markdown(&context.environment()?.name, &context.commit.short(), report))
}

fn markdown(environment: &str, commit: &str, report: &Value) -> String {
    let mut text = format!("### Plan for `{environment}` at `{commit}`\n\n{}\n", counts(report));
    let changes = list(&report["summary"]["changes"]);
    if !changes.is_empty() {
        text.push_str("\n| | Resource | What changes |\n|---|---|---|\n");
        for change in changes.iter().take(MOST_ROWS) {
            let action = change["action"].as_str().unwrap_or_default();
            let mut what = names(&change["attributes"]);
            let forced = names(&change["replaced_for"]);
            if !forced.is_empty() {
                what = format!("{what} (replaced for {forced})");
            }
            let address = change["address"].as_str().unwrap_or_default();
            text.push_str(&format!("| {action} | `{address}` | {what} |\n"));
        }
        if changes.len() > MOST_ROWS {
            text.push_str(&format!("\n… and {} more.\n", changes.len() - MOST_ROWS));
        }
    }
    let lines = |entries: &[Value], what: &str| -> String {
        let field = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().replace('\n', " ");
        let line = |entry: &Value| {
            let [rule, address, what] = ["rule", "address", what].map(|name| field(entry, name));
            format!("- {rule} `{address}`: {what}\n")
        };
        let mut lines: String = entries.iter().take(MOST_ROWS).map(line).collect();
        if entries.len() > MOST_ROWS {
            lines.push_str(&format!("\n… and {} more.\n", entries.len() - MOST_ROWS));
        }
        lines
    };
    let (findings, notes) = (list(&report["findings"]), list(&report["notes"]));
    if findings.is_empty() {
        text.push_str("\nThe rules refuse nothing in it.\n");
    } else {
        let reasons = plural(findings.len(), "reason");
        text.push_str(&format!("\n**Refused for {reasons}:**\n\n{}", lines(findings, "problem")));
    }
    if !notes.is_empty() {
        text.push_str(&format!("\n**Not checked, {}:**\n\n", plural(notes.len(), "note")));
        text.push_str(&lines(notes, "reason"));
    }
    text
}

/// "3 to create, 1 to change", of the same report.
pub(crate) fn counts(report: &Value) -> String {
    let counts = &report["summary"]["counts"];
    let kinds = [
        ("create", "to create"),
        ("update", "to change"),
        ("replace", "to replace"),
        ("destroy", "to destroy"),
        ("forget", "to forget"),
    ];
    let told: Vec<String> = kinds
        .iter()
        .filter_map(|(name, words)| {
            let count = counts[name].as_u64().filter(|count| *count > 0)?;
            Some(format!("{count} {words}"))
        })
        .collect();
    if told.is_empty() { "nothing to do".to_owned() } else { told.join(", ") }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn names(value: &Value) -> String {
    list(value)
        .iter()
        .filter_map(Value::as_str)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A report of `rds-iam plan --format json`, as that program printed it.
    fn report() -> Value {
        serde_json::from_str(include_str!("tests/plan-report.json")).unwrap()
    }

    #[test]
    fn a_plan_is_told_in_a_table() {
        let mut report = report();
        report["summary"] = json!({
            "counts": { "create": 1, "update": 1, "replace": 1, "destroy": 0, "forget": 0 },
            "changes": [
                { "address": "module.rds.aws_db_instance.this", "action": "update", "attributes": ["engine_version"] },
                { "address": "aws_x.y", "action": "replace", "attributes": ["name", "tags"], "replaced_for": ["name"] },
                { "address": "aws_x.z", "action": "create" },
            ],
        });
        insta::assert_snapshot!(markdown("dev", "0123456789ab", &report), @r#"
        ### Plan for `dev` at `0123456789ab`

        1 to create, 1 to change, 1 to replace

        | | Resource | What changes |
        |---|---|---|
        | update | `module.rds.aws_db_instance.this` | `engine_version` |
        | replace | `aws_x.y` | `name`, `tags` (replaced for `name`) |
        | create | `aws_x.z` |  |

        **Refused for 2 reasons:**

        - RDSIAM003 `aws_db_proxy.plain`: require_tls is not true
        - RDSIAM013 `aws_db_proxy.passwords`: iam_auth is not "REQUIRED"

        **Not checked, 2 notes:**

        - RDSIAM004 `aws_db_proxy.passwords`: its role is not part of this plan, so what it may do is not known
        - RDSIAM004 `aws_db_proxy.plain`: its role is not part of this plan, so what it may do is not known
        "#);
    }

    #[test]
    fn an_empty_plan_says_so() {
        insta::assert_snapshot!(markdown("dev", "0123456789ab", &json!({})), @"
        ### Plan for `dev` at `0123456789ab`

        nothing to do

        The rules refuse nothing in it.
        ");
    }
}
