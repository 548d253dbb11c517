//! Judges a tool's findings: those that the baseline does not accept fail the run, and so do expired entries;
//! entries without a finding are a warning.

use time::Date;

use super::baseline::{Baseline, Entry, FILE};
use super::sarif::{Finding, Sarif};
use rds_iam_process::console::{Console, Style};
use rds_iam_process::error::Error;
use rds_iam_process::steps::Outcome;
use rds_iam_process::tools::Tool;

/// The verdict on a tool's findings.
#[derive(Debug)]
pub struct Verdict {
    tool: Tool,
    /// Findings that are not accepted.
    refused: Vec<Finding>,
    accepted: Vec<(Finding, Entry)>,
    /// Expired entries.
    expired: Vec<Entry>,
    /// Entries without a finding.
    stale: Vec<Entry>,
    suppressed: usize,
}

/// Judges all findings of a tool in one run.
pub fn judge(tool: Tool, found: &[Sarif], baseline: &Baseline, today: Date) -> Verdict {
    let entries: Vec<&Entry> = baseline.entries.iter().filter(|entry| entry.tool == tool).collect();
    let (expired, valid): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().copied().partition(|entry| !entry.holds_on(today));
    let mut findings: Vec<&Finding> = found.iter().flat_map(|sarif| &sarif.findings).collect();
    // A file is scanned more than once if several modules include it.
    findings.sort();
    findings.dedup();
    let (mut refused, mut accepted) = (Vec::new(), Vec::new());
    for finding in &findings {
        match valid.iter().find(|entry| entry.covers(finding)) {
            Some(entry) => accepted.push(((*finding).clone(), (*entry).clone())),
            None => refused.push((*finding).clone()),
        }
    }
    let is_stale = |entry: &&&Entry| !findings.iter().any(|finding| entry.covers(finding));
    Verdict {
        tool,
        refused,
        accepted,
        stale: valid.iter().filter(is_stale).map(|entry| (*entry).clone()).collect(),
        expired: expired.into_iter().cloned().collect(),
        suppressed: found.iter().map(|sarif| sarif.suppressed).sum(),
    }
}

impl Verdict {
    /// Prints the accepted findings with their entries, and returns the verdict.
    ///
    /// # Errors
    /// Returns an error if a finding is not accepted, or an accepted one has expired.
    pub fn outcome(self, console: Console) -> Result<Outcome, Error> {
        for (finding, entry) in &self.accepted {
            let line = format!("accepted until {}: {}: {}", entry.expires, shown(finding), entry.reason);
            console.line(&console.paint(Style::Quiet, &line));
        }
        console.line(&format!(
            "{}: {} not accepted, {} accepted by {FILE}, {} excused in the code",
            self.tool,
            findings(self.refused.len()),
            self.accepted.len(),
            self.suppressed
        ));
        if !self.refused.is_empty() || !self.expired.is_empty() {
            return Err(Error::Found { found: self.refusal(), help: self.help() });
        }
        if self.stale.is_empty() {
            return Ok(Outcome::Passed);
        }
        let lines: Vec<String> = self.stale.iter().map(|entry| format!("{FILE}:{}", entry.line)).collect();
        Ok(Outcome::Warned(format!("accepts what is no longer found: {}", lines.join(", "))))
    }

    fn refusal(&self) -> String {
        let mut lines = Vec::new();
        if !self.refused.is_empty() {
            lines.push(format!("{}: {} not accepted", self.tool, findings(self.refused.len())));
            lines.extend(self.refused.iter().map(|finding| format!("  {}", shown(finding))));
        }
        for entry in &self.expired {
            lines.push(format!(
                "{FILE}:{}: {} was accepted until {}: {}",
                entry.line, entry.rule, entry.expires, entry.reason
            ));
        }
        lines.join("\n")
    }

    fn help(&self) -> String {
        let excuse = match self.tool {
            Tool::Checkov => "skip it beside the resource (#checkov:skip=<id>:<reason>)",
            _ => "accept it in gates/baseline.toml, with a reason and an expiry date",
        };
        if self.refused.is_empty() {
            format!("remove the entry in {FILE}, or review it and set a new expiry date")
        } else {
            format!("fix each finding, or {excuse}")
        }
    }
}

fn findings(count: usize) -> String {
    if count == 1 { "1 finding".to_owned() } else { format!("{count} findings") }
}

fn shown(finding: &Finding) -> String {
    let Finding { path, line, rule, says, .. } = finding;
    format!("{path}:{line}: {rule}: {says}")
}
