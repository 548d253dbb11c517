//! Connections, and the settings of their sessions.

use sqlx::postgres::PgConnection;

use crate::access::Access;
use crate::answer::answer;

/// The settings of each session: names mean what the server's own catalog means by them, a backslash in a text is a plain
/// character, and a long run's lock does not end with an idle connection.
const SETTINGS: &str = "SET search_path TO pg_catalog, pg_temp; SET standard_conforming_strings TO on; \
     SET client_min_messages TO warning; SET idle_session_timeout TO 0";

/// Since 16, a user can set that it becomes a full member of the roles that it creates. The check runs on servers that
/// have the setting only.
const NO_SELF_GRANT: &str = "SELECT set_config('createrole_self_grant', '', false) \
     WHERE current_setting('server_version_num')::int4 >= 160000";

pub(super) async fn connect(access: Access<'_>, database: &str) -> Result<PgConnection, rds_iam_sqlx::Error> {
    let target = access.target.clone().database(database);
    rds_iam_sqlx::connect::<sqlx::Postgres>(&target, access.user, access.credential).await
}

pub(super) async fn set_up(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    answer(sqlx::raw_sql(SETTINGS).execute(&mut *connection)).await?;
    answer(sqlx::raw_sql(NO_SELF_GRANT).execute(connection)).await.map(drop)
}
