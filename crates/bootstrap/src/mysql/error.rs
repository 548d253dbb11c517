//! Classifies MySQL's errors by number, never by text: a wrong password, a locked account, a denied
//! statement. Returns the remedy for a failed statement. Numbers are from MySQL's "Server Error Message Reference".

use sqlx::mysql::MySqlDatabaseError;

use crate::plan::{Actor, StatementError};

/// Returns whether the server did not accept a user's password.
pub(crate) fn is_wrong_password(error: &rds_iam_sqlx::Error) -> bool {
    error.number() == Some(1045)
}

/// Returns whether the account is locked, or blocked after failed logins.
pub(crate) fn is_locked(error: &rds_iam_sqlx::Error) -> bool {
    matches!(error.number(), Some(3118 | 3955))
}

/// Explains the error of a statement that `actor` ran.
pub(super) fn statement_error(actor: Actor, source: sqlx::Error) -> StatementError {
    let is_refused = source.as_database_error().is_some();
    StatementError { denied: is_denied(&source), is_refused, help: help(actor, &source), source }
}

fn help(actor: Actor, error: &sqlx::Error) -> String {
    let Some(number) = number(error) else {
        return "The connection to the server broke. A statement is done wholly or not at all, so running this again finishes the job.".into();
    };
    match (number, actor) {
        (1193, _) => "The server must be MySQL 8.0.16 or later.".into(),
        (1524, _) => "The server does not have AWSAuthenticationPlugin: it is not RDS, or IAM authentication is off (`aws rds modify-db-instance --enable-iam-database-authentication`).".into(),
        _ if !is_denied(error) => "The cause has the server's message.".into(),
        (1227, _) => "The cause names the missing privilege. If it is SYSTEM_USER: the account has it, and only a user who has it too may change that account. As such a user: REVOKE SYSTEM_USER ON *.* FROM it, or declare another account. If it is ROLE_ADMIN: the master user lacks it, and so can't revoke roles.".into(),
        // Only a run that makes changes comes here, after it corrected the admin.
        (_, Actor::Admin) => "The IAM admin may not do this, although the third step granted all that it needs: another program revokes its privileges at the same time, or the server restricts it. Check with `SHOW GRANTS FOR` the admin, as the master user.".into(),
        (_, Actor::Master) => "The master user may not do this. On RDS it may, unless an operator has revoked privileges from it.".into(),
    }
}

fn is_denied(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(1044 | 1045 | 1142 | 1143 | 1227 | 1370 | 1410 | 1698 | 3879))
}

fn number(error: &sqlx::Error) -> Option<u16> {
    Some(error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?.number())
}
