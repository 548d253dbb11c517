//! Errors of reading a plan.

use std::fmt;
use std::path::PathBuf;

/// An error that prevents a review. Each needs an operator; a retry has the same result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The file could not be read, is not UTF-8 text, or is too large.
    #[error("cannot read {}; `terraform show -json PLANFILE` writes it, as a UTF-8 text file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The text is not a plan that can be reviewed.
    #[error("{} {kind}", path.as_ref().map_or_else(|| "the text".to_owned(), |path| path.display().to_string()))]
    Invalid {
        /// The file, where there is one.
        path: Option<PathBuf>,
        /// The kind of text found.
        kind: PlanErrorKind,
    },
}

/// The kind of a text that is not a reviewable plan. `Display` continues the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanErrorKind {
    /// The file that `terraform plan -out` writes.
    #[error("is a plan file as Terraform saves it: give what `terraform show -json PLANFILE` makes of it")]
    Binary,
    /// Not JSON.
    #[error("is not JSON (line {line}, column {column}): write it with `terraform show -json PLANFILE`")]
    Json {
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
    },
    /// JSON that is truncated.
    #[error(
        "ends in the middle, as a file that was cut off: write it again with `terraform show -json PLANFILE`"
    )]
    Truncated,
    /// JSON of another kind.
    #[error("is {0}, not a plan: give what `terraform show -json PLANFILE` prints")]
    Other(JsonKind),
    /// A format whose meaning is not known.
    #[error(
        "has format version {found}, and this program reads 1.x: use a Terraform that writes 1.x, or a newer \
         version of this program"
    )]
    Version {
        /// `format_version`.
        found: String,
    },
    /// The plan of a run that failed.
    #[error(
        "is the plan of a run that failed, so it is not complete: fix what `terraform plan` reports, and plan again"
    )]
    Errored,
    /// A part that does not match the format.
    #[error("has a part that is not as `terraform show -json` writes it: {reason}")]
    Part {
        /// The part and the reason; never a value.
        reason: String,
    },
}

/// The kind of a JSON text that is not a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonKind {
    /// `terraform show -json` without a plan file.
    ShownState,
    /// A state file.
    StateFile,
    /// `terraform plan -json`: one message to a line.
    Messages,
    /// Anything else.
    Unknown,
}

impl fmt::Display for JsonKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ShownState => "a state, as `terraform show -json` prints it without a plan file",
            Self::StateFile => "a state file",
            Self::Messages => "the messages of `terraform plan -json`",
            Self::Unknown => "other JSON",
        })
    }
}
