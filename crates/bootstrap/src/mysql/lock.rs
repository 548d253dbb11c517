//! One bootstrap at a time on a server.

use sqlx::mysql::MySqlConnection;

/// How long to wait for another run: it takes about a second.
const WAIT_SECONDS: u32 = 10;

/// Takes the lock, which the server gives back when the connection ends, however it ends. `Err(Some(_))`
/// inside tells who has it.
pub(crate) async fn take(connection: &mut MySqlConnection) -> Result<Result<(), String>, sqlx::Error> {
    let taken: Option<i64> = sqlx::query_scalar("SELECT GET_LOCK('rds_iam_bootstrap', ?)")
        .bind(WAIT_SECONDS)
        .fetch_one(&mut *connection)
        .await?;
    if taken == Some(1) {
        return Ok(Ok(()));
    }
    let holder: Option<u64> =
        sqlx::query_scalar("SELECT IS_USED_LOCK('rds_iam_bootstrap')").fetch_one(&mut *connection).await?;
    let Some(id) = holder else { return Ok(Err("a run that has just ended".into())) };
    let who = sqlx::query_as::<_, (String, String)>(
        // Not performance_schema's, which is off on small instances.
        "SELECT CAST(user AS CHAR), CAST(host AS CHAR) FROM information_schema.processlist WHERE id = ?",
    )
    .bind(id)
    .fetch_optional(connection)
    .await;
    // Which users and hosts there are is told only to those with PROCESS; the number always is.
    Ok(Err(match who {
        Ok(Some((user, host))) => format!("connection {id}, {user} from {host}"),
        Ok(None) | Err(_) => format!("connection {id}"),
    }))
}
