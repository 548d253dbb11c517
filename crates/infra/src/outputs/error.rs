//! What can be wrong with Terraform's outputs, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why there are no outputs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputsError {
    /// The file could not be read, or is not UTF-8 text.
    #[error("cannot read {}; `terraform output -json` writes it, as a UTF-8 text file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not what `terraform output -json` prints, from its first character on.
    #[error("{} {cause}", name(path.as_deref()))]
    Text {
        /// The file, where there is one.
        path: Option<PathBuf>,
        /// What it is instead.
        cause: TextCause,
    },
    /// Outputs are missing, or not what the stack's contract says.
    #[error("{}", list(path.as_deref(), problems))]
    Invalid {
        /// The file, where there is one.
        path: Option<PathBuf>,
        /// Everything that is wrong, in the order of the outputs.
        problems: Vec<Problem>,
    },
}

fn name(path: Option<&Path>) -> String {
    path.map_or_else(|| "what Terraform put out".to_owned(), |path| path.display().to_string())
}

fn list(path: Option<&Path>, problems: &[Problem]) -> String {
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    };
    let lines: Vec<_> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    format!("{} has {count}:{}", name(path), lines.concat())
}

/// What a text is, where it is not the outputs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextCause {
    /// Not JSON, or cut off.
    #[error(
        "is not JSON (line {line}, column {column}): write the file with `terraform output -json`, where \
         that succeeds"
    )]
    Json {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// No output at all.
    #[error("holds no outputs: nothing is applied yet, or this is another state; run `terraform apply`")]
    Empty,
    /// JSON of another kind.
    #[error(
        "holds something else than outputs, each with sensitive, type and value: write it with `terraform \
         output -json`, without the name of an output"
    )]
    Other,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The output (`proxy`), or its attribute (`proxy.resource_id`).
    pub output: String,
    /// What is wrong.
    pub cause: Cause,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if matches!(self.cause, Cause::Value { .. }) { ": " } else { " " };
        write!(f, "{}{separator}{}", self.output, self.cause)
    }
}

/// What is wrong with an output. `Display` goes on from its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// Not there.
    #[error(
        "is missing: run `terraform apply`, which records outputs; if it is missing then, the stack and this \
         program are of different versions"
    )]
    Missing,
    /// Marked sensitive; none of the contract's is, and a program would hand it on.
    #[error(
        "is marked sensitive, and these outputs hold no secret: take `sensitive = true` off it, or what \
         makes it so"
    )]
    Sensitive,
    /// A value of another type. The value itself is not repeated.
    #[error(
        "is {found} where {expected} is due: run `terraform apply`; if it stays, the stack and this program \
         are of different versions"
    )]
    Type {
        /// What is due, with its article.
        expected: &'static str,
        /// What is there, with its article.
        found: &'static str,
    },
    /// The right type, but not a value that can be.
    #[error("{reason}")]
    Value {
        /// What is wrong with it and what is expected.
        reason: String,
    },
}
