//! An error with all of its causes.

use std::error::Error;
use std::fmt;

/// Displays an error and its causes in one line, each once and after a colon.
///
/// An error of this workspace never repeats its source in its own `Display`, so a program that prints or logs `{error}`
/// alone hides the cause. Programs print this once, where the error leaves the program.
///
/// ```
/// use rds_iam_token::ErrorReport;
///
/// let error = std::io::Error::other("no route");
/// assert_eq!(ErrorReport(&error).to_string(), "no route");
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is an error and nothing else")]
pub struct ErrorReport<'a>(pub &'a (dyn Error + 'a));

impl ErrorReport<'_> {
    /// Returns the messages of the error's causes, outermost first, each once: a cause is left out if the error before
    /// it ends in its text, as errors of other projects do (sqlx).
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        let mut outer = self.0.to_string();
        let mut causes = Vec::new();
        for cause in std::iter::successors(self.0.source(), |&error| error.source()) {
            let text = cause.to_string();
            if !outer.ends_with(&text) {
                causes.push(text.clone());
            }
            outer = text;
        }
        causes
    }
}

impl fmt::Display for ErrorReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        self.causes().iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(String, Box<dyn Error>);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.1)
        }
    }

    #[test]
    fn causes_follow_the_error_in_order() {
        let error = Outer("cannot read the port".into(), Box::new("x".parse::<u16>().unwrap_err()));
        assert_eq!(ErrorReport(&error).to_string(), "cannot read the port: invalid digit found in string");
        assert_eq!(ErrorReport(&error).causes(), ["invalid digit found in string"]);
    }

    #[test]
    fn a_cause_that_an_error_repeats_is_shown_once() {
        let refused = std::io::Error::other("connection refused");
        let driver = Outer("error communicating with database: connection refused".into(), Box::new(refused));
        let error = Outer("a statement failed".into(), Box::new(driver));
        let causes = ["error communicating with database: connection refused"];
        assert_eq!(ErrorReport(&error).causes(), causes);
        assert_eq!(ErrorReport(&error).to_string(), format!("a statement failed: {}", causes[0]));
    }
}
