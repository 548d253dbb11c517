//! The database user of a session, and the tokens for it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use rds_iam_token::{DbUser, TokenSource};

use crate::Failure;

/// The most users of one listener that the clients may name: 100. Each has a token that is kept.
const MAX_USERS: usize = 100;

/// The user that a session logs in as.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a fourth rule would be a decision for every caller")]
pub enum UserRule {
    /// The user that the client names.
    Client,
    /// This user. A client that names another one is refused, so that it is never logged in as a user that it did not ask
    /// for.
    Only(DbUser),
    /// This user, whatever the client names: for a program that was given the port alone.
    Always(DbUser),
}

impl UserRule {
    /// Returns the user for a client that named `asked`.
    ///
    /// # Errors
    /// Returns [`Failure::Denied`] if the rule does not allow that user, or the name is no user's.
    pub fn decide(&self, asked: &str) -> Result<DbUser, Failure> {
        match self {
            Self::Always(user) => Ok(user.clone()),
            Self::Only(user) if user.as_str() == asked => Ok(user.clone()),
            Self::Only(user) => Err(Failure::Denied(format!(
                "the gateway logs in as {user} here, and the client named {}. Name {user}, or add a listener for the \
                 other user",
                rds_iam_report::escape_control(asked),
            ))),
            Self::Client => asked.parse().map_err(|error| {
                Failure::Denied(format!(
                    "the client named the user {}: {error}",
                    rds_iam_report::escape_control(asked)
                ))
            }),
        }
    }

    /// Returns the user, if the rule names one.
    #[must_use]
    pub fn named(&self) -> Option<&DbUser> {
        match self {
            Self::Client => None,
            Self::Only(user) | Self::Always(user) => Some(user),
        }
    }
}

/// The tokens of one endpoint: one source for each user, kept from the user's first session on.
pub struct Tokens {
    sources: Mutex<HashMap<DbUser, TokenSource>>,
    create: Box<Create>,
}

type Create = dyn Fn(&DbUser) -> Result<TokenSource, Failure> + Send + Sync;

impl Tokens {
    /// Creates the tokens of an endpoint: `create` returns the source of a user's tokens.
    #[must_use]
    pub fn new(create: impl Fn(&DbUser) -> Result<TokenSource, Failure> + Send + Sync + 'static) -> Self {
        Self { sources: Mutex::default(), create: Box::new(create) }
    }

    /// Returns the source of `user`'s tokens.
    ///
    /// # Errors
    /// Returns the error of its creation, or [`Failure::Denied`] if clients have named too many users.
    pub fn source(&self, user: &DbUser) -> Result<TokenSource, Failure> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = sources.get(user) {
            return Ok(source.clone());
        }
        if sources.len() >= MAX_USERS {
            return Err(Failure::Denied(format!(
                "clients have named {MAX_USERS} users on this listener, and {user} is another one. Start another \
                 listener for it"
            )));
        }
        let source = (self.create)(user)?;
        sources.insert(user.clone(), source.clone());
        Ok(source)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_the_user_that_it_names_or_none() {
        let app: DbUser = "app".parse().unwrap();
        assert_eq!(UserRule::Client.decide("app").unwrap(), app);
        assert_eq!(UserRule::Only(app.clone()).decide("app").unwrap(), app);
        assert_eq!(UserRule::Always(app.clone()).decide("root").unwrap(), app);
        let refused = UserRule::Only(app).decide("root\u{1b}[2J").unwrap_err().to_string();
        assert!(refused.contains("named root\\u{1b}[2J. Name app"), "{refused}");
        assert!(matches!(UserRule::Client.decide(""), Err(Failure::Denied(_))));
    }
}
