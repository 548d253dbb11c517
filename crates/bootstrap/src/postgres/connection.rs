//! Connections, and the settings of their sessions. Decides whether a refused login of the master user is a lock-out.

use std::time::Duration;

use rds_iam_sqlx::{Credential, Target};
use rds_iam_token::DbUser;
use sqlx::postgres::PgConnection;

use super::error::{is_login_refused, is_no_database, is_wrong_password};
use super::missing;
use crate::access::{Access, ConnectionError};
use crate::answer::answer;

/// The settings of each session, as far as the server has them: names mean what its own catalog means by them; a backslash
/// in a text is a plain character; the creator of a role does not become a full member of it; and no limit of the user,
/// the database or the server ends a transaction, the test of the master user's login or the run's lock. A statement ends
/// before this program stops waiting for it, and so is not made later.
const SETTINGS: &str = "SET search_path TO pg_catalog, pg_temp; \
     SELECT set_config(known.name, wanted.value, false) FROM pg_settings known JOIN (VALUES \
     ('standard_conforming_strings', 'on'), ('client_min_messages', 'warning'), ('createrole_self_grant', ''), \
     ('statement_timeout', '55s'), ('lock_timeout', '0'), ('transaction_timeout', '0'), \
     ('idle_in_transaction_session_timeout', '0'), ('idle_session_timeout', '0')\
     ) wanted (name, value) ON known.name = wanted.name";

/// The time after which a refused login of the master user is tried again.
const CONFIRMATION: Duration = Duration::from_secs(1);

/// A user that no server has. Its password is refused by a server that serves.
const CONTROL: &str = "rds_iam_bootstrap_control";

pub(super) async fn connect(access: Access<'_>, database: &str) -> Result<PgConnection, rds_iam_sqlx::Error> {
    let target = access.target.clone().database(database);
    Access { target: &target, ..access }.connect::<sqlx::Postgres>().await
}

/// Connects as the master user, by password. A server that restarts may refuse logins with the code of a lock-out. So a
/// refused login is a lock-out only if it is refused again a second later, and the server serves others in between.
pub(super) async fn connect_as_master(
    access: Access<'_>,
    database: &str,
) -> Result<PgConnection, ConnectionError> {
    match connect(access, database).await {
        Err(refused) if is_login_refused(&refused) => {
            tokio::time::sleep(CONFIRMATION).await;
            if !serves_others(access.target).await {
                return Err(refused.into());
            }
        }
        connected => return connected.map_err(|error| not_connected(error, database)),
    }
    match connect(access, database).await {
        Err(refused) if is_login_refused(&refused) => Err(ConnectionError::LockedOut),
        connected => connected.map_err(|error| not_connected(error, database)),
    }
}

fn not_connected(error: rds_iam_sqlx::Error, database: &str) -> ConnectionError {
    if is_no_database(&error) { ConnectionError::Missing(missing::database(database)) } else { error.into() }
}

/// Returns whether the server answers a login as users without `rds_iam` are answered: it does not accept the password.
async fn serves_others(target: &Target) -> bool {
    let control: DbUser = CONTROL.parse().expect("the name is valid");
    let target = target.clone().database(super::lock::DATABASE);
    let refused =
        rds_iam_sqlx::connect::<sqlx::Postgres>(&target, &control, Credential::Password(CONTROL)).await;
    refused.is_err_and(|error| is_wrong_password(&error))
}

pub(super) async fn set_up(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    answer(sqlx::raw_sql(SETTINGS).execute(connection)).await.map(drop)
}
