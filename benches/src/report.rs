//! The measurements, as a table and as JSON for comparison with later runs.

use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::machine::Machine;

/// The limit that a figure is compared with.
const GOAL: &str = "goal";

/// All figures of a run. Each is printed as soon as it is measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    rows: Vec<Row>,
    /// The figures that could not be measured here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_available: Vec<NotAvailable>,
}

/// A figure, or all of an alternative's, and the reason why it was not measured.
#[derive(Debug, Serialize)]
struct NotAvailable {
    what: String,
    reason: String,
}

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    /// The figure or limit that it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Against>,
}

/// The other side of a comparison.
#[derive(Debug, Serialize)]
struct Against {
    what: &'static str,
    value: f64,
    /// This project's figure divided by the alternative's: under 1 is better, since every compared figure is
    /// a cost.
    ratio: f64,
}

impl Report {
    pub(crate) fn begin() -> anyhow::Result<Self> {
        let machine = Machine::this()?;
        println!("{machine}");
        Ok(Self { machine, rows: Vec::new(), not_available: Vec::new() })
    }

    /// Prints a heading for the following rows.
    pub(crate) fn heading(&self, title: &str) {
        println!("\n{title}");
    }

    pub(crate) fn add(&mut self, row: Row) {
        println!("  {row}");
        self.rows.push(row);
    }

    /// Prints and records that something was not measured.
    pub(crate) fn not_available(&mut self, what: impl Into<String>, reason: impl Into<String>) {
        let (what, reason) = (what.into(), reason.into());
        println!("  {what:<58} not available: {reason}");
        self.not_available.push(NotAvailable { what, reason });
    }

    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(self)?;
        let folder = path.parent().unwrap_or(path);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(path, json + "\n"))
            .with_context(|| format!("writing {}", path.display()))
    }
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { what: what.into(), value, unit, against: None }
    }

    /// Adds the comparison figure; `ratio` is the median of pairwise ratios.
    pub(crate) fn against(mut self, what: &'static str, value: f64, ratio: f64) -> Self {
        self.against = Some(Against { what, value, ratio });
        self
    }

    /// Adds the limit that the figure should not exceed.
    pub(crate) fn goal(self, limit: f64) -> Self {
        let ratio = self.value / limit;
        self.against(GOAL, limit, ratio)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, value, unit, against } = self;
        write!(f, "{what:<58} {value:>9.2} ")?;
        match against {
            Some(Against { what: GOAL, value, ratio }) => {
                let (limit, result) =
                    ((value * 100.0).round() / 100.0, if *ratio < 1.0 { "met" } else { "MISSED" });
                write!(f, "{unit:<4} goal < {limit}: {result}")
            }
            Some(Against { what, value, ratio }) => {
                write!(f, "{unit:<4} {what} {value:.2}, ratio {ratio:.2}")
            }
            None => f.write_str(unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_well() {
        let row = || Row::new("sign, static keys", 4.567, "µs");
        insta::assert_snapshot!(row(), @"sign, static keys                                               4.57 µs");
        insta::assert_snapshot!(row().goal(5.0), @"sign, static keys                                               4.57 µs   goal < 5: met");
        insta::assert_snapshot!(row().goal(4.5), @"sign, static keys                                               4.57 µs   goal < 4.5: MISSED");
        insta::assert_snapshot!(row().goal(14.0 / 3.0), @"sign, static keys                                               4.57 µs   goal < 4.67: met");
        insta::assert_snapshot!(row().against("aws-sdk-rds", 5.0, 0.91), @"sign, static keys                                               4.57 µs   aws-sdk-rds 5.00, ratio 0.91");
    }
}
