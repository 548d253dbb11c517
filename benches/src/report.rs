//! What was measured, as a table for people and JSON for later runs to compare with.

use std::fmt;

use serde::Serialize;

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What it is compared with or held against, with its figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) against: Option<Against>,
}

/// The other side of a comparison.
#[derive(Debug, Serialize)]
pub(crate) struct Against {
    pub(crate) what: &'static str,
    pub(crate) value: f64,
    /// Ours divided by theirs: under 1 is better, since every figure here is a cost.
    pub(crate) ratio: f64,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { what: what.into(), value, unit, against: None }
    }

    /// Adds what the figure is compared with; `ratio` is the median of pairwise ratios, or the ratio
    /// of the figures where they were not taken in pairs.
    pub(crate) fn against(mut self, what: &'static str, value: f64, ratio: Option<f64>) -> Self {
        self.against = Some(Against { what, value, ratio: ratio.unwrap_or(self.value / value) });
        self
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<58} {:>10.2} {:<6}", self.what, self.value, self.unit)?;
        match &self.against {
            Some(Against { what, value, ratio }) => write!(f, " {what} {value:.2}, ratio {ratio:.2}"),
            None => Ok(()),
        }
    }
}
