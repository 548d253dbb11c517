//! An error with all of its causes.

use std::error::Error;
use std::fmt;

/// Displays an error and its causes in one line, each after a colon.
///
/// An error of this workspace never repeats its source in its own `Display`, so a program that prints `{error}` alone
/// hides the cause. Programs print this once, where the error leaves the program.
///
/// ```
/// use rds_iam_report::ErrorReport;
///
/// let error = std::io::Error::other("no route");
/// assert_eq!(ErrorReport(&error).to_string(), "no route");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ErrorReport<'a>(pub &'a (dyn Error + 'a));

impl ErrorReport<'_> {
    /// Returns the messages of the error's causes, outermost first.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        std::iter::successors(self.0.source(), |&error| error.source()).map(ToString::to_string).collect()
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cannot read the port")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn causes_follow_the_error_in_order() {
        let error = Outer("x".parse::<u16>().unwrap_err());
        assert_eq!(ErrorReport(&error).to_string(), "cannot read the port: invalid digit found in string");
        assert_eq!(ErrorReport(&error).causes(), ["invalid digit found in string"]);
    }
}
