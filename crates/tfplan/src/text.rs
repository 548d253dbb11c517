//! `Display` of `Review`: the review of a Terraform plan as plain text, with changes, drift, notes and
//! refusals. Control characters in texts of the plan are escaped.

use std::fmt::{Display, Formatter, Result};

use rds_iam_report::escape_control as escape;

use super::document::Action;
use super::{Counts, ResourceSummary, Review};

impl Display for Review {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write(self, f)
    }
}

fn write(review: &Review, f: &mut Formatter<'_>) -> Result {
    let summary = &review.summary;
    let Counts { create, update, replace, destroy, forget } = summary.counts;
    writeln!(
        f,
        "Plan: {create} to create, {update} to change in place, {replace} to replace, {destroy} to destroy, \
         {forget} to forget."
    )?;
    if !summary.complete {
        writeln!(f, "It is not complete: after its apply, plan again.")?;
    }
    for change in &summary.changes {
        line(change, f)?;
    }
    if !summary.drift.is_empty() {
        writeln!(f, "\nChanged without Terraform since the last apply:")?;
    }
    for change in &summary.drift {
        line(change, f)?;
    }
    if !summary.outputs.is_empty() {
        let outputs = summary.outputs.iter();
        let outputs: Vec<_> =
            outputs.map(|output| format!("{} {}", sign(output.action), escape(&output.name))).collect();
        writeln!(f, "\nOutputs: {}", outputs.join(", "))?;
    }
    if !review.notes.is_empty() {
        writeln!(f, "\nNot checked:")?;
    }
    for note in &review.notes {
        writeln!(f, "  {} {}: {}", note.rule.id, escape(&note.address), escape(&note.reason))?;
    }
    match review.findings.len() {
        0 => return write!(f, "\nNothing is refused."),
        1 => write!(f, "\nRefused for 1 reason:")?,
        n => write!(f, "\nRefused for {n} reasons:")?,
    }
    for finding in &review.findings {
        write!(f, "\n  {} {}\n", finding.rule.id, escape(&finding.address))?;
        write!(f, "    {}\n    help: {}", escape(&finding.problem), escape(&finding.remedy))?;
    }
    Ok(())
}

fn line(change: &ResourceSummary, f: &mut Formatter<'_>) -> Result {
    write!(f, "  {:>3} {}", sign(change.action), escape(&change.address))?;
    if let Some(from) = &change.moved_from {
        write!(f, " (moved from {})", escape(from))?;
    }
    if change.imported {
        write!(f, " (imported)")?;
    }
    let forces = |name: &String| change.replaced_for.contains(name);
    let attributes: Vec<_> = change
        .attributes
        .iter()
        .map(|name| format!("{}{}", escape(name), if forces(name) { " (forces replacement)" } else { "" }))
        .collect();
    if attributes.is_empty() { writeln!(f) } else { writeln!(f, ": {}", attributes.join(", ")) }
}

/// Returns the sign that Terraform uses for the action.
fn sign(action: Action) -> &'static str {
    match action {
        Action::NoOp => " ",
        Action::Read => "<=",
        Action::Create => "+",
        Action::Update => "~",
        Action::Replace => "-/+",
        Action::Destroy => "-",
        Action::Forget => ".",
    }
}
