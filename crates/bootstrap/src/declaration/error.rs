//! The errors of a declaration. All violations of the rules for one are reported together.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The number of violations shown at once: about a screenful.
const VIOLATIONS_SHOWN: usize = 20;

/// The error of a declaration. Each is for the author of the users file to fix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeclarationError {
    /// The users file can't be read.
    #[error("cannot read the users file {}; it must be a UTF-8 text file that this program may read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The text is not TOML, or has an unknown key.
    #[error(
        "{origin} is not a users file (line {line}, column {column}): {reason}; the README of rds-iam-bootstrap describes the \
         format"
    )]
    Syntax {
        /// The file or setting.
        origin: String,
        /// The line, counted from 1.
        line: usize,
        /// The column in characters, counted from 1.
        column: usize,
        /// The parser's reason, without values: the text may be another file, with a secret in it.
        reason: String,
    },
    /// The declaration, or a setting that it is for, is invalid.
    #[error("{origin} has {}", list(violations))]
    Invalid {
        /// The file or setting.
        origin: String,
        /// Every violation found.
        violations: Vec<Violation>,
    },
}

impl DeclarationError {
    /// The error of a text that is not a users file.
    pub(crate) fn syntax(origin: String, text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.lines().count().max(1) + usize::from(before.ends_with('\n'));
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        // Values are in double quotes, names in backticks.
        let parts = error.message().split('"').enumerate();
        let reason: String =
            parts.map(|(number, part)| if number % 2 == 0 { part } else { "\"…\"" }).collect();
        Self::Syntax { origin, line, column, reason: reason.replace('\n', "; ") }
    }
}

fn list(violations: &[Violation]) -> String {
    let shown = violations.iter().take(VIOLATIONS_SHOWN).map(|violation| format!("\n  {violation}"));
    let more = violations.len().saturating_sub(VIOLATIONS_SHOWN);
    let lines: Vec<_> = shown.chain((more > 0).then(|| format!("\n  and {more} more"))).collect();
    let count =
        if violations.len() == 1 { "1 problem".into() } else { format!("{} problems", violations.len()) };
    format!("{count}:{}", lines.concat())
}

/// A violation of the rules for declarations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The user, key or file that violates a rule.
    pub subject: String,
    /// The rule, and what to declare instead.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.message)
    }
}

/// The violations found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Violations(Vec<Violation>);

impl Violations {
    pub(crate) fn add(&mut self, subject: &str, message: impl fmt::Display) {
        self.0.push(Violation { subject: subject.to_owned(), message: message.to_string() });
    }

    /// Returns the value of `result`, or adds its error.
    pub(crate) fn keep<T, E: fmt::Display>(&mut self, subject: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(subject, error)).ok()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the error with all violations, if there are any.
    pub(crate) fn into_result(self, origin: &str) -> Result<(), DeclarationError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(DeclarationError::Invalid { origin: origin.to_owned(), violations: self.0 })
    }
}
