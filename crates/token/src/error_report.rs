//! An error with all its causes, for logs.

use std::error::Error;
use std::fmt;

/// Displays an error and its causes, each once and after a colon. Logs in JSON otherwise contain the error without its
/// causes. A cause is left out if the error before it ends in its text, as errors of other projects do (sqlx).
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
        let mut outer = self.0.to_string();
        f.write_str(&outer)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !outer.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            (outer, cause) = (text, error.source());
        }
        Ok(())
    }
}
