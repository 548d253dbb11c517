//! An error with all its causes, for logs.

use std::error::Error;
use std::fmt;

/// Displays an error and its causes, each after a colon. Logs in JSON otherwise contain the error without its causes.
///
/// ```
/// use rds_iam_token::ErrorReport;
///
/// let error = std::io::Error::other("no route");
/// assert_eq!(ErrorReport(&error).to_string(), "no route");
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is an error and nothing else")]
pub struct ErrorReport<'a>(pub &'a dyn Error);

impl fmt::Display for ErrorReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
