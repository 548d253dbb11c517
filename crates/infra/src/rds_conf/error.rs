//! What can be wrong with an `rds.conf`, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why there is no configuration, or why it was not written. Each is for a person to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RdsConfError {
    /// The file could not be read, or is not UTF-8 text.
    #[error("cannot read {}; it must be a UTF-8 text file that this program may read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not a configuration. It says so without the values of keys, which might be secrets
    /// that do not belong there.
    #[error("{}", list(path.as_deref(), problems))]
    Invalid {
        /// The file, where there is one.
        path: Option<PathBuf>,
        /// Everything that is wrong, in the order of the lines; what is missing comes last.
        problems: Vec<Problem>,
    },
    /// The file could not be written; what was there before is still there.
    #[error("cannot write {}; its folder must exist and this program must be allowed to write there", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

fn list(path: Option<&Path>, problems: &[Problem]) -> String {
    let name = path.map_or("rds.conf".into(), Path::to_string_lossy);
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    };
    let lines: Vec<_> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    format!("{name} has {count}:{}", lines.concat())
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The line, counted from 1; none for what is missing.
    pub line: Option<usize>,
    /// The key, where the line has one.
    pub key: Option<String>,
    /// What is wrong.
    pub cause: Cause,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, &self.key) {
            (Some(line), Some(key)) => write!(f, "line {line}: {key}")?,
            (Some(line), None) => write!(f, "line {line}")?,
            (None, Some(key)) => f.write_str(key)?,
            (None, None) => f.write_str("the file")?,
        }
        let separator = if matches!(self.cause, Cause::Value { .. }) { ": " } else { " " };
        write!(f, "{separator}{}", self.cause)
    }
}

/// What is wrong with a line, or with a key. `Display` goes on from the name of either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// Neither blank, nor a comment, nor an assignment.
    #[error("is neither an assignment nor a comment: write KEY=\"value\", or # first")]
    NotAssignment,
    /// A shell's `export`.
    #[error("begins with `export`: write KEY=\"value\" alone, the file is not run by a shell")]
    Export,
    /// Spaces around `=`.
    #[error("has a space beside the `=`: write KEY=\"value\"")]
    Space,
    /// No double quote after `=`.
    #[error("has no double quote after the `=`: write KEY=\"value\"")]
    Unquoted,
    /// No closing quote.
    #[error("lacks its closing quote: write KEY=\"value\" on one line")]
    Unclosed,
    /// Text after the closing quote.
    #[error(
        "has text after the closing quote: write a quote inside the value as \\\", and a comment after # and a space"
    )]
    Trailing,
    /// A `\` before something that needs none.
    #[error("has \\{}, which is not an escape: a backslash is written \\\\, and only \" \\ $ ` take one before them", _0.escape_debug())]
    Escape(char),
    /// `$` or a backtick.
    #[error(
        "has a {0}, but nothing is substituted here: write the value itself, or \\{0} where that character is meant"
    )]
    Substitution(char),
    /// A byte-order mark.
    #[error("begins with a byte-order mark: save the file as UTF-8 without one")]
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
        /// The key that was meant, where case alone differs.
        suggestion: Option<&'static str>,
    },
    /// Set twice.
    #[error("is set on line {first} already: remove one of the two")]
    Repeated {
        /// Where it was set first.
        first: usize,
    },
    /// Set to nothing.
    #[error("is empty: give it a value, such as \"{example}\"{}", if *required { "" } else { ", or remove the line" })]
    Empty {
        /// A value it might have.
        example: &'static str,
        /// Whether it can be left out.
        required: bool,
    },
    /// Required and not there.
    #[error("is missing: add a line such as {key}=\"{example}\"")]
    Missing {
        /// The key.
        key: &'static str,
        /// A value it might have.
        example: &'static str,
    },
    /// Not what the key takes.
    #[error("{reason}")]
    Value {
        /// What is wrong with it and what to write.
        reason: String,
    },
    /// `RDS_ENDPOINT` and `RDS_PORT` contradict each other.
    #[error("says {port}, but RDS_ENDPOINT says {endpoint}: keep one of the two")]
    PortsDiffer {
        /// From `RDS_PORT`.
        port: u16,
        /// From `RDS_ENDPOINT`.
        endpoint: u16,
    },
    /// The endpoint's name has another region in it; every token would be refused.
    #[error("says {region}, but RDS_ENDPOINT lies in {endpoint} by its name: write {endpoint}")]
    RegionsDiffer {
        /// From `REGION`.
        region: String,
        /// From the endpoint's name.
        endpoint: String,
    },
}
