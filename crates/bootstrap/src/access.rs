//! `Access`: how to connect as a user; and the errors of work on a connection.

use rds_iam_sqlx::{Credential, Engine, Target, connect, connect_confirmed};
use rds_iam_token::{DbUser, TokenSource};

use crate::plan::{Missing, StatementError};

/// How to connect as a user.
#[derive(Clone, Copy)]
pub(crate) struct Access<'a> {
    pub(crate) target: &'a Target,
    pub(crate) user: &'a DbUser,
    pub(crate) secret: Secret<'a>,
}

/// The secret of a login.
#[derive(Clone, Copy)]
pub(crate) enum Secret<'a> {
    Password(&'a str),
    Tokens(&'a TokenSource),
}

impl Access<'_> {
    /// Connects. A login by token is denied only if the server refuses it again, where a server that restarts may refuse it.
    pub(crate) async fn connect<DB: Engine>(self) -> Result<DB::Connection, rds_iam_sqlx::Error> {
        match self.secret {
            Secret::Password(password) => {
                connect::<DB>(self.target, self.user, Credential::Password(password)).await
            }
            Secret::Tokens(tokens) => connect_confirmed::<DB>(self.target, tokens).await,
        }
    }
}

/// The error of work that needs a further connection.
pub(crate) enum ConnectionError {
    Connect(Box<rds_iam_sqlx::Error>),
    /// The database does not exist.
    Missing(Missing),
    /// The server refuses the master user's password, and serves other users.
    LockedOut,
    Statement(StatementError),
}

impl From<rds_iam_sqlx::Error> for ConnectionError {
    fn from(error: rds_iam_sqlx::Error) -> Self {
        Self::Connect(error.into())
    }
}

/// The error of making changes, of which none was made.
pub(crate) enum ExecuteError {
    Statement(StatementError),
    /// The changes would have ended the master user's login by password, and were not made.
    LockOut {
        path: Vec<String>,
    },
}

impl ExecuteError {
    /// Returns whether the server refused the changes themselves, so that it may accept a part of them.
    pub(crate) fn is_refused(&self) -> bool {
        match self {
            Self::Statement(error) => error.is_refused,
            Self::LockOut { .. } => true,
        }
    }
}
