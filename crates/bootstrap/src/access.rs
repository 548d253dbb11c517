//! `Access`: how to connect as a user; and the errors of work on a connection.

use rds_iam_sqlx::{Credential, Target};
use rds_iam_token::DbUser;

use crate::plan::StatementError;

/// How to connect as a user.
#[derive(Clone, Copy)]
pub(crate) struct Access<'a> {
    pub(crate) target: &'a Target,
    pub(crate) user: &'a DbUser,
    pub(crate) credential: Credential<'a>,
}

/// The error of work that needs a further connection.
pub(crate) enum ConnectionError {
    Connect(Box<rds_iam_sqlx::Error>),
    Statement(StatementError),
}

/// The error of making changes.
pub(crate) enum ExecuteError {
    Statement(StatementError),
    /// The changes would have ended the master user's login by password, and were not made.
    LockOut {
        path: Vec<String>,
    },
}
