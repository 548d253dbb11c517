//! Names of database users.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A database user's name, without a host part.
///
/// Any name that a server could store is accepted, quotes and non-ASCII included, because callers encode or quote it.
/// Only an empty name and control characters are refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DbUser(String);

impl DbUser {
    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DbUser {
    type Err = DbUserError;

    fn from_str(text: &str) -> Result<Self, DbUserError> {
        if text.is_empty() {
            return Err(DbUserError::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(DbUserError::ControlCharacter { given: text.into() });
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for DbUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error of a text that is not a database user. Fix the setting it came from.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DbUserError {
    /// The text is empty.
    #[error("database user is empty: name the user to log in as")]
    Empty,
    /// A NUL, a line break or the like.
    #[error("database user {given:?} has a control character in it")]
    ControlCharacter {
        /// The text as given; `Debug` shows the character escaped.
        given: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users() {
        for user in ["node_app", "o'neil", "a`b", "a b&c=d+e%f", "Zoë"] {
            assert_eq!(user.parse::<DbUser>().unwrap().as_str(), user);
        }
        assert_eq!("".parse::<DbUser>(), Err(DbUserError::Empty));
        insta::assert_snapshot!("a\0b".parse::<DbUser>().unwrap_err(), @r#"database user "a\0b" has a control character in it"#);
    }
}
