//! The database user of a session, and the tokens for it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use rds_iam_token::{DbUser, TokenSource};

use crate::Failure;

/// The most users of one endpoint whose tokens are kept: 100. Clients may name more, and names that do not exist.
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

/// The tokens of one endpoint: one source for each of the users that were last asked for.
pub struct Tokens {
    /// The longest unused first.
    sources: Mutex<VecDeque<(DbUser, TokenSource)>>,
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
    /// Returns the error of its creation.
    pub fn source(&self, user: &DbUser) -> Result<TokenSource, Failure> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = sources.iter().position(|(of, _)| of == user).and_then(|at| sources.remove(at));
        let source = match kept {
            Some((_, source)) => source,
            None => (self.create)(user)?,
        };
        sources.push_back((user.clone(), source.clone()));
        if sources.len() > MAX_USERS {
            sources.pop_front();
        }
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use aws_credential_types::Credentials;
    use rds_iam_token::{Clock, Login, Minter};

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
    #[test]
    fn the_tokens_of_the_users_that_were_last_asked_for_are_kept() {
        let created = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&created);
        let tokens = Tokens::new(move |user| {
            count.fetch_add(1, Relaxed);
            let endpoint = "orders.c0ffee.eu-west-1.rds.amazonaws.com:3306".parse().unwrap();
            let login = Login::new(endpoint, "eu-west-1".parse().unwrap(), user.clone());
            let keys = Credentials::from_keys("AKIDEXAMPLE", "example", None);
            Ok(TokenSource::lazy(Minter::new(login, keys, Clock::system())))
        });
        let app: DbUser = "app".parse().unwrap();
        tokens.source(&app).unwrap();
        // A client that tries names does not keep others out.
        for number in 0..2 * MAX_USERS {
            tokens.source(&format!("name{number}").parse().unwrap()).unwrap();
            tokens.source(&app).unwrap();
        }
        assert_eq!(created.load(Relaxed), 1 + 2 * MAX_USERS, "the source of app was kept");
        assert_eq!(tokens.sources.lock().unwrap().len(), MAX_USERS);
        tokens.source(&"name0".parse().unwrap()).unwrap();
        assert_eq!(created.load(Relaxed), 2 + 2 * MAX_USERS, "the first name was not");
    }
}
