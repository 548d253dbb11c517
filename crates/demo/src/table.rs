//! The table of claims, as text and as JSON.

use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use rds_iam_report::{ErrorReport, file};
use serde::Serialize;

use crate::engine::Engine;
use crate::platform::Platform;

/// The claims and their evidence.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    server: String,
    engine: String,
    page: String,
    seconds_to_start: f64,
    claims: Vec<Claim>,
}

#[derive(Debug, Serialize)]
struct Claim {
    claim: &'static str,
    holds: bool,
    /// The measurement, or the reason why the claim does not hold.
    evidence: String,
}

impl Table {
    pub(crate) fn new<E: Engine>(platform: &Platform<E>) -> Self {
        Self {
            server: format!("{}, behind an emulated RDS Proxy", platform.server.describe()),
            engine: platform.server.runtime().to_string(),
            page: platform.app.url.clone(),
            seconds_to_start: platform.seconds_to_start,
            claims: Vec::new(),
        }
    }

    /// Adds a claim with its measurement.
    pub(crate) fn add(&mut self, claim: &'static str, measured: anyhow::Result<String>) {
        let (holds, evidence) = match measured {
            Ok(evidence) => (true, evidence),
            Err(error) => (false, ErrorReport(&*error).to_string()),
        };
        self.claims.push(Claim { claim, holds, evidence });
    }

    pub(crate) fn all_hold(&self) -> bool {
        !self.claims.is_empty() && self.claims.iter().all(|c| c.holds)
    }

    pub(crate) fn write_json(&self, path: &Path) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(self)? + "\n";
        file::replace(path, &json).with_context(|| format!("writing {}", path.display()))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, up after {:.1} s\n", self.server, self.seconds_to_start)?;
        for Claim { claim, holds, evidence } in &self.claims {
            writeln!(f, "{}  {claim}", if *holds { "holds" } else { "FAILS" })?;
            for line in wrapped(evidence) {
                writeln!(f, "       {line}")?;
            }
        }
        let failed = self.claims.iter().filter(|c| !c.holds).count();
        match failed {
            0 => write!(f, "\nAll {} claims hold.", self.claims.len()),
            _ => write!(f, "\n{failed} of {} claims do not hold.", self.claims.len()),
        }
    }
}

/// Wraps a text into lines of at most 88 characters, so that the table fits a usual terminal.
fn wrapped(text: &str) -> Vec<String> {
    const WIDTH: usize = 88;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        match line.chars().count() {
            0 => line.push_str(word),
            length if length + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_claims_proves_nothing() {
        let mut table = Table {
            server: "PostgreSQL 18.6".into(),
            engine: "process".into(),
            page: String::new(),
            seconds_to_start: 1.0,
            claims: Vec::new(),
        };
        assert!(!table.all_hold(), "nothing was proved");
        table.add("a row is written and read back", Ok("row 1".into()));
        assert!(table.all_hold());
        insta::assert_snapshot!(table, @"
        PostgreSQL 18.6, up after 1.0 s

        holds  a row is written and read back
               row 1

        All 1 claims hold.
        ");
    }

    #[test]
    fn evidence_is_wrapped_between_words() {
        assert_eq!(wrapped("short"), ["short"]);
        let long = "a-word-of-some-length ".repeat(20);
        assert!(wrapped(&long).iter().all(|line| line.len() <= 88));
        assert_eq!(wrapped(&long).join(" "), long.trim());
        let unbreakable = "x".repeat(200);
        assert_eq!(wrapped(&unbreakable), [unbreakable.as_str()]);
    }
}
