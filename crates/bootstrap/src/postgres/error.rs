//! Classifies PostgreSQL's errors by SQLSTATE, never by text. Returns the remedy for a failed statement. Codes are from
//! "PostgreSQL Error Codes" in its manual.

use rds_iam_token::ServerCode;

use crate::plan::{Actor, StatementError};

/// Returns whether the server did not accept a user's password.
pub(crate) fn is_wrong_password(error: &rds_iam_sqlx::Error) -> bool {
    has_code(error, "28P01")
}

/// Returns whether the server refused a login: by token, or by password of a user that logs in by IAM. Servers that
/// restart answer so too.
pub(super) fn is_login_refused(error: &rds_iam_sqlx::Error) -> bool {
    has_code(error, "28000")
}

/// Returns whether the database doesn't exist.
pub(crate) fn is_no_database(error: &rds_iam_sqlx::Error) -> bool {
    has_code(error, "3D000")
}

fn has_code(error: &rds_iam_sqlx::Error, code: &str) -> bool {
    error.code().is_some() && error.code() == ServerCode::from_sqlstate(code)
}

/// Explains the error of a statement that `actor` ran.
pub(super) fn statement_error(actor: Actor, source: sqlx::Error) -> StatementError {
    let code = code(&source);
    // With a code of class 57 the server ends the statement for reasons of its own, and often the connection.
    let is_refused = code.as_ref().is_some_and(|code| !code.starts_with("57"));
    let denied = code.as_deref() == Some("42501");
    StatementError { denied, is_refused, help: help(actor, code.as_deref()), source }
}

/// Returns whether a statement waited too long for a lock.
pub(super) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    code(error).as_deref() == Some("55P03")
}

fn help(actor: Actor, code: Option<&str>) -> String {
    let text = match (code, actor) {
        (None, _) => {
            "The connection to the server broke. A transaction is done wholly or not at all, so running this again finishes the job."
        }
        (Some("25006"), _) => {
            "The server refuses changes. A reader does: RDS_ENDPOINT must be the instance's or the cluster's own endpoint. So does a database or a user with the setting default_transaction_read_only."
        }
        (Some("2BP01"), _) => {
            "The user has granted a privilege to others, which the server names: revoke those grants first."
        }
        (Some("54000"), _) => {
            "The server stores the privileges on an object in one row: about 2,400 users can have some on the same table. Grant to fewer users."
        }
        (Some("42501"), Actor::Admin) => {
            "The IAM admin may not do this, although the third step made it what it needs to be: another program changes it at the same time, or the object or role belongs to another user. The cause names it; as its owner, or as the creator of that role, the statement can be run."
        }
        (Some("42501"), Actor::Master) => {
            "The master user may not do this. Since PostgreSQL 16 only a user with ADMIN on a role may change it, and only an object's owner may grant on it. As that user, run the statement, or give the master user the right."
        }
        _ => "The cause has the server's message.",
    };
    text.to_owned()
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_connection_is_no_denial() {
        let error = statement_error(Actor::Admin, sqlx::Error::WorkerCrashed);
        assert!(
            !error.denied && error.help.starts_with("The connection to the server broke"),
            "{}",
            error.help
        );
        assert!(!is_lock_timeout(&sqlx::Error::WorkerCrashed));
    }

    #[test]
    fn each_remedy_is_its_own() {
        let codes = [None, Some("25006"), Some("2BP01"), Some("54000"), Some("42501"), Some("XX000")];
        let texts: std::collections::BTreeSet<_> =
            codes.iter().map(|code| help(Actor::Admin, *code)).collect();
        assert_eq!(texts.len(), codes.len());
        assert_ne!(help(Actor::Admin, Some("42501")), help(Actor::Master, Some("42501")));
    }
}
