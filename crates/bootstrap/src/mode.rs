//! The mode of a bootstrap run: apply the changes, show them as a plan, or check for drift.

use serde::Serialize;

/// The mode of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Changes what differs from the declaration, and verifies.
    Apply,
    /// Shows what differs, and the SQL that would change it.
    Plan,
    /// Shows the same, for a program that checks the exit status.
    Check,
}
