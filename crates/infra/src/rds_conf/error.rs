//! Errors of `rds.conf`, with their fixes.

use std::fmt;
use std::path::{Path, PathBuf};

/// A configuration was not read or written. An operator must fix the cause; retrying does not help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RdsConfError {
    /// The file could not be read, or is not UTF-8 text.
    #[error("cannot read {}; it must be a UTF-8 text file that this program may read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The text is not a valid configuration. The error contains no values of keys, which might be misplaced secrets.
    #[error("{}", list(path.as_deref(), errors))]
    Invalid {
        /// The file, if the text was read from one.
        path: Option<PathBuf>,
        /// All errors, by line; missing keys are last.
        errors: Vec<EntryError>,
    },
    /// The file could not be written; its old content is unchanged.
    #[error("cannot write {}; its folder must exist and this program must be allowed to write there", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

fn list(path: Option<&Path>, errors: &[EntryError]) -> String {
    let name = path.map_or("rds.conf".into(), Path::to_string_lossy);
    let count = match errors.len() {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    };
    let lines: Vec<_> = errors.iter().map(|error| format!("\n  {error}")).collect();
    format!("{name} has {count}:{}", lines.concat())
}

/// The error of a line or key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryError {
    /// The line, counted from 1; `None` for a missing key.
    pub line: Option<usize>,
    /// The key, if the line has one.
    pub key: Option<String>,
    /// The kind of error.
    pub kind: EntryErrorKind,
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, &self.key) {
            (Some(line), Some(key)) => write!(f, "line {line}: {key}")?,
            (Some(line), None) => write!(f, "line {line}")?,
            (None, Some(key)) => f.write_str(key)?,
            (None, None) => f.write_str("the file")?,
        }
        let separator = if matches!(self.kind, EntryErrorKind::Value { .. }) { ": " } else { " " };
        write!(f, "{separator}{}", self.kind)
    }
}

/// The kind of an [`EntryError`]. `Display` continues the name of the line or key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryErrorKind {
    /// Neither blank, nor a comment, nor an assignment.
    #[error("is neither an assignment nor a comment: write KEY=\"value\", or start the line with #")]
    NotAssignment,
    /// A shell's `export`.
    #[error("starts with `export`: write only KEY=\"value\", because no shell runs the file")]
    Export,
    /// Spaces around `=`.
    #[error("has a space next to the `=`: write KEY=\"value\"")]
    Space,
    /// No double quote after `=`.
    #[error("has no double quote after the `=`: write KEY=\"value\"")]
    Unquoted,
    /// No closing quote.
    #[error("has no closing quote: write KEY=\"value\" on one line")]
    Unclosed,
    /// Text after the closing quote.
    #[error(
        "has text after the closing quote: write a quote inside the value as \\\", and a comment after a space and #"
    )]
    Trailing,
    /// An invalid escape.
    #[error("has \\{}, which is not an escape: write a backslash as \\\\; the other escapes are \\\" \\$ \\`", _0.escape_debug())]
    Escape(char),
    /// `$` or a backtick.
    #[error(
        "has a {0}, but nothing is substituted here: write the value itself, or \\{0} for that character"
    )]
    Substitution(char),
    /// A byte-order mark.
    #[error("starts with a byte-order mark: save the file as UTF-8 without one")]
    ByteOrderMark,
    /// A carriage return.
    #[error("ends in a carriage return: save the file with Unix line endings (LF)")]
    CarriageReturn,
    /// Another control character.
    #[error("has the control character {}: remove it", _0.escape_debug())]
    ControlCharacter(char),
    /// Not one of [`super::KEYS`].
    #[error(
        "is not a key of rds.conf{}: remove the line, or use one of {}",
        suggestion.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default(),
        super::KEYS.map(|key| key.name).join(", ")
    )]
    Unknown {
        /// The key that differs only in case.
        suggestion: Option<&'static str>,
    },
    /// Set more than once.
    #[error("is already set on line {first}: remove one of the two")]
    Repeated {
        /// The first line that sets it.
        first: usize,
    },
    /// Set to an empty value.
    #[error("is empty: set a value, such as \"{example}\"{}", if *required { "" } else { ", or remove the line" })]
    Empty {
        /// An example value.
        example: &'static str,
        /// Whether the key is required.
        required: bool,
    },
    /// A required key is missing.
    #[error("is missing: add a line such as {key}=\"{example}\"")]
    Missing {
        /// The key.
        key: &'static str,
        /// An example value.
        example: &'static str,
    },
    /// The value is invalid.
    #[error("{reason}")]
    Value {
        /// The reason and the fix.
        reason: String,
    },
    /// `RDS_ENDPOINT` and `RDS_PORT` contradict each other.
    #[error("is {port}, but the port of RDS_ENDPOINT is {endpoint}: keep one of the two")]
    PortsDiffer {
        /// The port of `RDS_PORT`.
        port: u16,
        /// The port of `RDS_ENDPOINT`.
        endpoint: u16,
    },
    /// The endpoint's name contains another region; every token would be refused.
    #[error("is {region}, but the endpoint is in {endpoint}; set REGION={endpoint}")]
    RegionsDiffer {
        /// The value of `REGION`.
        region: String,
        /// The region in the endpoint's name.
        endpoint: String,
    },
}
