//! The lock that allows one run at a time on a server. Advisory locks are of one database and roles are of the whole
//! server, so that it is always taken on the database `postgres`.

use sqlx::postgres::PgConnection;

use super::error::is_lock_timeout;

/// The database that each server has.
pub(super) const DATABASE: &str = "postgres";

/// The first number of this program's locks: the letters `rds` and `i`.
pub(super) const NUMBER: i32 = 1_919_185_513;

/// The second number of the run's lock.
const RUN: i32 = 1;

/// The second number of the lock that is held while a run tests the master user's login.
pub(super) const TEST: i32 = 2;

/// The time to wait for another run.
const WAIT: &str = "SET lock_timeout TO '10s'";

/// The holder of the run's lock: its connection, and its user and address as far as the reader may see them.
const HOLDER: &str = "SELECT l.pid, coalesce(a.usename::text, ''), coalesce(a.client_addr::text, '') \
     FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
     WHERE l.locktype = 'advisory' AND l.granted AND l.classid::int8 = $1 AND l.objid::int8 = $2 AND l.objsubid = 2";

/// Takes the lock, which the server releases when the connection ends for any reason. The inner error describes the
/// holder.
pub(super) async fn take(connection: &mut PgConnection) -> Result<Result<(), String>, sqlx::Error> {
    sqlx::raw_sql(WAIT).execute(&mut *connection).await?;
    let lock = sqlx::query("SELECT pg_advisory_lock($1, $2)").bind(NUMBER).bind(RUN);
    let taken = lock.execute(&mut *connection).await;
    match taken {
        Ok(_) => Ok(Ok(())),
        Err(error) if is_lock_timeout(&error) => {
            let holder = sqlx::query_as(HOLDER).bind(i64::from(NUMBER)).bind(i64::from(RUN));
            let holder: Option<(i32, String, String)> = holder.fetch_optional(connection).await?;
            Ok(Err(match holder {
                None => "a run that has just ended".to_owned(),
                Some((pid, user, _)) if user.is_empty() => format!("connection {pid}"),
                Some((pid, user, address)) if address.is_empty() => format!("connection {pid}, {user}"),
                Some((pid, user, address)) => format!("connection {pid}, {user} from {address}"),
            }))
        }
        Err(error) => Err(error),
    }
}
