//! Connections, and the settings of their sessions. Decides whether a refused login of the master user is a lock-out.

use std::time::Duration;

use rds_iam_sqlx::{Credential, Target};
use rds_iam_token::DbUser;
use sqlx::postgres::PgConnection;

use super::error::{is_login_refused, is_wrong_password};
use crate::access::{Access, ConnectionError};
use crate::answer::answer;

/// The settings of each session: names mean what the server's own catalog means by them, a backslash in a text is a plain
/// character, and a long run's lock does not end with an idle connection.
const SETTINGS: &str = "SET search_path TO pg_catalog, pg_temp; SET standard_conforming_strings TO on; \
     SET client_min_messages TO warning; SET idle_session_timeout TO 0";

/// Since 16, a user can set that it becomes a full member of the roles that it creates. The check runs on servers that
/// have the setting only.
const NO_SELF_GRANT: &str = "SELECT set_config('createrole_self_grant', '', false) \
     WHERE current_setting('server_version_num')::int4 >= 160000";

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
        connected => return Ok(connected?),
    }
    match connect(access, database).await {
        Err(refused) if is_login_refused(&refused) => Err(ConnectionError::LockedOut),
        connected => Ok(connected?),
    }
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
    answer(sqlx::raw_sql(SETTINGS).execute(&mut *connection)).await?;
    answer(sqlx::raw_sql(NO_SELF_GRANT).execute(connection)).await.map(drop)
}
