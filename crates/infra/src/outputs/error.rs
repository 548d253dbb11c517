//! Errors of Terraform's outputs, with their fixes.

use std::fmt;
use std::path::{Path, PathBuf};

/// The outputs could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputsError {
    /// The file could not be read, or is not UTF-8 text.
    #[error("cannot read {}; write it with `terraform output -json`, as a UTF-8 text file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The text is not the output of `terraform output -json`.
    #[error("{} {kind}", name(path.as_deref()))]
    Text {
        /// The file, if the text was read from one.
        path: Option<PathBuf>,
        /// The kind of error.
        kind: TextErrorKind,
    },
    /// Outputs are missing, or violate the stack's contract.
    #[error("{}", list(path.as_deref(), errors))]
    Invalid {
        /// The file, if the text was read from one.
        path: Option<PathBuf>,
        /// All errors, in the order of the outputs.
        errors: Vec<AttributeError>,
    },
}

fn name(path: Option<&Path>) -> String {
    path.map_or_else(|| "the outputs file".to_owned(), |path| path.display().to_string())
}

fn list(path: Option<&Path>, errors: &[AttributeError]) -> String {
    let count = match errors.len() {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    };
    let lines: Vec<_> = errors.iter().map(|error| format!("\n  {error}")).collect();
    format!("{} has {count}:{}", name(path), lines.concat())
}

/// The kind of an [`OutputsError::Text`]. `Display` continues the name of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextErrorKind {
    /// Not JSON, or truncated.
    #[error(
        "is not JSON (line {line}, column {column}): write the file with a successful `terraform output -json`"
    )]
    Json {
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
    },
    /// No outputs.
    #[error("is empty: nothing is applied yet, or this is another state; run `terraform apply`")]
    Empty,
    /// JSON of another kind.
    #[error(
        "is other JSON, without sensitive, type and value of each output: write the file with `terraform output \
         -json`, without the name of an output"
    )]
    Other,
}

/// The error of an output or its attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttributeError {
    /// The output (`proxy`), or its attribute (`proxy.resource_id`).
    pub output: String,
    /// The kind of error.
    pub kind: AttributeErrorKind,
}

impl fmt::Display for AttributeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if matches!(self.kind, AttributeErrorKind::Value { .. }) { ": " } else { " " };
        write!(f, "{}{separator}{}", self.output, self.kind)
    }
}

/// The kind of an [`AttributeError`]. `Display` continues the name of the output.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeErrorKind {
    /// The output is missing.
    #[error(
        "is missing: run `terraform apply`, which records outputs. If it is still missing, the versions of the stack and this \
         program differ"
    )]
    Missing,
    /// The output is marked sensitive. None of the contract's is, and programs forward their values.
    #[error(
        "is marked sensitive, but these outputs contain no secrets: remove `sensitive = true`, or the sensitive \
         value that it depends on"
    )]
    Sensitive,
    /// The value has another type. The value itself is not repeated.
    #[error(
        "is {found}; expected {expected}: run `terraform apply`. If that does not help, the versions of the stack and this \
         program differ"
    )]
    Type {
        /// The expected type, with its article.
        expected: &'static str,
        /// The actual type, with its article.
        found: &'static str,
    },
    /// The value is invalid.
    #[error("{reason}")]
    Value {
        /// The reason and the expected value.
        reason: String,
    },
}
