//! The output: a table with the cause and the fix of the first failure, or JSON.

use serde::Serialize;

use super::facts::Facts;
use super::outcome::Outcome;
use super::steps::Step;
use crate::Failure;

type Outcomes = [(&'static Step, Outcome)];

#[derive(Serialize)]
struct Report<'a> {
    target: Target<'a>,
    healthy: bool,
    status: u8,
    steps: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Target<'a> {
    engine: &'static str,
    endpoint: String,
    user: &'a str,
    database: Option<&'a str>,
    dial: Option<String>,
    region: Option<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    step: &'static str,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

/// Returns the exit status: that of the first step that failed.
pub(super) fn status(outcomes: &Outcomes) -> u8 {
    first_failure(outcomes).map_or(0, |(step, ..)| step.status)
}

fn first_failure(outcomes: &Outcomes) -> Option<(&'static Step, &str, &str)> {
    outcomes.iter().find_map(|(step, outcome)| match outcome {
        Outcome::Failed { cause, fix } => Some((*step, cause.as_str(), fix.as_str())),
        _ => None,
    })
}

/// Returns one JSON object.
pub(super) fn json(facts: &Facts, outcomes: &Outcomes) -> Result<String, Failure> {
    let status = status(outcomes);
    crate::json(&Report {
        target: Target {
            engine: facts.engine.as_str(),
            endpoint: facts.endpoint.to_string(),
            user: facts.user.as_str(),
            database: facts.database.as_deref(),
            dial: facts.dial.as_ref().map(ToString::to_string),
            region: facts.signing_region().map(|region| region.to_string()),
        },
        healthy: status == 0,
        status,
        steps: outcomes.iter().map(|(step, outcome)| Line { step: step.name, outcome }).collect(),
    })
}

/// Returns a line for each step, then the cause and the fix of the first failure.
pub(super) fn table(facts: &Facts, outcomes: &Outcomes) -> String {
    let mut text = format!("{} at {} ({})\n\n", facts.user, facts.endpoint, facts.engine);
    for (step, outcome) in outcomes {
        let (word, detail) = match outcome {
            Outcome::Ok { detail } => ("ok", detail.as_str()),
            Outcome::Failed { cause, .. } => ("failed", cause.as_str()),
            Outcome::Skipped { reason } => ("skipped", reason.as_str()),
            Outcome::NotReached => ("not reached", ""),
        };
        text += format!("{:<12} {word:<12} {detail}", step.name).trim_end();
        text.push('\n');
    }
    match first_failure(outcomes) {
        Some((step, cause, fix)) => text += &format!("\n{} failed: {cause}\nfix: {fix}", step.name),
        None if facts.offline => text += "\nNo step failed; those that need the network were skipped.",
        None => text += "\nNo step failed.",
    }
    text
}
