//! The lock that allows one run at a time on a server.

use sqlx::mysql::MySqlConnection;

/// The time to wait for another run, which takes about a second.
const WAIT_SECONDS: u32 = 10;

/// Takes the lock, which the server releases when the connection ends for any reason. The inner error describes the
/// holder.
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
    // The server shows users and hosts only to users with PROCESS; the number always.
    Ok(Err(match who {
        Ok(Some((user, host))) => format!("connection {id}, {user} from {host}"),
        Ok(None) | Err(_) => format!("connection {id}"),
    }))
}
