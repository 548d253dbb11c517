//! Renders a plan as a short table for a pull request's comment and a job's summary.

use crate::context::Context;
use rds_iam_process::error::Error;
use rds_iam_tfplan::{Action, Counts, Review, Rule};

/// The maximum number of changes in a table; GitHub accepts 65,536 characters in a comment.
const MOST_ROWS: usize = 60;

/// Renders the review of a plan as Markdown: addresses and names, never values.
///
/// # Errors
/// Returns an error if the run is for no environment.
pub(crate) fn plan(context: &Context<'_>, review: &Review) -> Result<String, Error> {
    Ok(markdown(&context.environment()?.name, &context.commit.short(), review))
}

fn markdown(environment: &str, commit: &str, review: &Review) -> String {
    let summary = &review.summary;
    let mut text = format!("### Plan for `{environment}` at `{commit}`\n\n{}\n", counts(summary.counts));
    if !summary.changes.is_empty() {
        text.push_str("\n| | Resource | What changes |\n|---|---|---|\n");
        let rows: Vec<String> = summary
            .changes
            .iter()
            .map(|change| {
                let mut what = names(&change.attributes);
                if !change.replaced_for.is_empty() {
                    what = format!("{what} (replaced for {})", names(&change.replaced_for));
                }
                format!("| {} | `{}` | {what} |\n", action(change.action), change.address)
            })
            .collect();
        text.push_str(&first(&rows));
    }
    let item = |rule: &Rule, address: &str, what: &str| {
        format!("- {} `{address}`: {}\n", rule.id, what.replace('\n', " "))
    };
    if review.findings.is_empty() {
        text.push_str("\nThe rules refuse nothing in it.\n");
    } else {
        let items: Vec<String> = review
            .findings
            .iter()
            .map(|finding| item(finding.rule, &finding.address, &finding.problem))
            .collect();
        text.push_str(&format!("\n**Refused for {}:**\n\n{}", plural(items.len(), "reason"), first(&items)));
    }
    if !review.notes.is_empty() {
        let items: Vec<String> =
            review.notes.iter().map(|note| item(note.rule, &note.address, &note.reason)).collect();
        text.push_str(&format!("\n**Not checked, {}:**\n\n{}", plural(items.len(), "note"), first(&items)));
    }
    text
}

/// Returns the first lines, and the number of omitted ones.
fn first(lines: &[String]) -> String {
    let mut text = lines[..lines.len().min(MOST_ROWS)].concat();
    if lines.len() > MOST_ROWS {
        text.push_str(&format!("\n… and {} more.\n", lines.len() - MOST_ROWS));
    }
    text
}

/// Renders counts as "3 to create, 1 to change".
pub(crate) fn counts(counts: Counts) -> String {
    let kinds = [
        (counts.create, "to create"),
        (counts.update, "to change"),
        (counts.replace, "to replace"),
        (counts.destroy, "to destroy"),
        (counts.forget, "to forget"),
    ];
    let parts: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") }
}

/// Returns an action in the report's spelling.
fn action(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Destroy => "destroy",
        Action::Forget => "forget",
        Action::Read => "read",
        _ => "no-op",
    }
}

fn names(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Returns a count with its noun: "1 note", "2 notes".
pub(crate) fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rds_iam_tfplan::Plan;

    fn review(plan: &str) -> Review {
        let plans = rds_iam_process::workspace::root().join("crates/tfplan/tests/plans");
        Plan::read(&plans.join(plan).join("plan.json")).unwrap().review()
    }

    #[test]
    fn a_plan_is_a_table_of_changes() {
        insta::assert_snapshot!(markdown("dev", "0123456789ab", &review("summary")), @"
        ### Plan for `dev` at `0123456789ab`

        1 to create, 2 to change, 1 to replace, 1 to destroy, 1 to forget

        | | Resource | What changes |
        |---|---|---|
        | update | `aws_ssm_parameter.after` |  |
        | create | `aws_ssm_parameter.created` |  |
        | destroy | `aws_ssm_parameter.destroyed` |  |
        | forget | `aws_ssm_parameter.forgotten` |  |
        | replace | `aws_ssm_parameter.replaced` | `allowed_pattern`, `description`, `name` (replaced for `name`) |
        | update | `aws_ssm_parameter.updated` | `description`, `insecure_value`, `value`, `version` |

        The rules refuse nothing in it.
        ");
    }

    #[test]
    fn refusals_and_unchecked_rules_are_listed() {
        insta::assert_snapshot!(markdown("dev", "0123456789ab", &review("proxy_tls")), @r#"
        ### Plan for `dev` at `0123456789ab`

        2 to create

        | | Resource | What changes |
        |---|---|---|
        | create | `aws_db_proxy.passwords` |  |
        | create | `aws_db_proxy.plain` |  |

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
        let empty = Plan::parse("{\"format_version\": \"1.2\", \"planned_values\": {}}").unwrap().review();
        insta::assert_snapshot!(markdown("dev", "0123456789ab", &empty), @"
        ### Plan for `dev` at `0123456789ab`

        nothing to do

        The rules refuse nothing in it.
        ");
    }
}
