//! The table of claims, for people and as JSON.

use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::platform::Platform;

/// What was claimed and what was seen.
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
    /// What was measured, or why it does not hold.
    evidence: String,
}

impl Table {
    pub(crate) fn new(platform: &Platform) -> Self {
        Self {
            server: platform.mysql.describe().into(),
            engine: platform.mysql.engine().to_string(),
            page: platform.app.url.clone(),
            seconds_to_start: platform.seconds_to_start,
            claims: Vec::new(),
        }
    }

    /// Adds a claim with what was measured.
    pub(crate) fn add(&mut self, claim: &'static str, measured: anyhow::Result<String>) {
        let (holds, evidence) = match measured {
            Ok(evidence) => (true, evidence),
            Err(error) => (false, format!("{error:#}")),
        };
        self.claims.push(Claim { claim, holds, evidence });
    }

    pub(crate) fn all_hold(&self) -> bool {
        !self.claims.is_empty() && self.claims.iter().all(|c| c.holds)
    }

    pub(crate) fn write_json(&self, file: &Path) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(file, json).with_context(|| format!("writing {}", file.display()))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({}), up after {:.1} s\n", self.server, self.engine, self.seconds_to_start)?;
        let width = self.claims.iter().map(|c| c.claim.chars().count()).max().unwrap_or(0);
        for Claim { claim, holds, evidence } in &self.claims {
            let verdict = if *holds { "holds" } else { "FAILS" };
            let mut lines = evidence.lines();
            writeln!(f, "{verdict}  {claim:<width$}  {}", lines.next().unwrap_or_default())?;
            for line in lines {
                writeln!(f, "{:indent$}{line}", "", indent = "holds".len() + width + 4)?;
            }
        }
        let failed = self.claims.iter().filter(|c| !c.holds).count();
        match failed {
            0 => write!(f, "\nAll {} claims hold.", self.claims.len()),
            _ => write!(f, "\n{failed} of {} claims do not hold.", self.claims.len()),
        }
    }
}
