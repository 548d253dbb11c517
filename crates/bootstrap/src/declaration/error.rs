//! The errors of a declaration, and its problems, which are reported together.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The number of problems shown at once: about a screenful.
const PROBLEMS_SHOWN: usize = 20;

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
    /// The declaration is invalid.
    #[error("{origin} has {}", list(problems))]
    Invalid {
        /// The file or setting.
        origin: String,
        /// Every problem found.
        problems: Vec<Problem>,
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

fn list(problems: &[Problem]) -> String {
    let shown = problems.iter().take(PROBLEMS_SHOWN).map(|problem| format!("\n  {problem}"));
    let more = problems.len().saturating_sub(PROBLEMS_SHOWN);
    let lines: Vec<_> = shown.chain((more > 0).then(|| format!("\n  and {more} more"))).collect();
    let count = if problems.len() == 1 { "1 problem".into() } else { format!("{} problems", problems.len()) };
    format!("{count}:{}", lines.concat())
}

/// A problem of a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The user, key or file that has the problem.
    pub subject: String,
    /// The problem, and what to declare instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.message)
    }
}

/// The problems found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn add(&mut self, subject: &str, message: impl fmt::Display) {
        self.0.push(Problem { subject: subject.to_owned(), message: message.to_string() });
    }

    /// Returns the value of `result`, or adds its error.
    pub(crate) fn keep<T, E: fmt::Display>(&mut self, subject: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(subject, error)).ok()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the error with all problems, if there are any.
    pub(crate) fn into_result(self, origin: &str) -> Result<(), DeclarationError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(DeclarationError::Invalid { origin: origin.to_owned(), problems: self.0 })
    }
}
