//! The canary: a test whether a role that creates an IAM user can still log in by password. Since PostgreSQL 16 the
//! creator of a role is a member of it, and whether RDS counts that membership is not documented.
//!
//! The test creates a role that is a member of `rds_iam`, logs in as the master user, and drops the role. The server
//! itself drops it as soon as an advisory lock is free, after 10 seconds at the latest: a run that is killed, or loses
//! its connection, releases the lock.

use std::io;
use std::time::Duration;

use sqlx::postgres::PgConnection;

use super::connection::{connect_as_master, set_up};
use super::lock::{DATABASE, NUMBER};
use crate::access::{Access, ConnectionError};
use crate::answer::answer;

/// The name of the role.
pub(super) const CANARY: &str = "rds_iam_bootstrap_canary";

/// Creates the role, waits for the lock, and drops the role. `COMMIT` is allowed in a block that is alone in its message.
const CREATE_AND_DROP: &str = "\
DO $canary$ BEGIN
  CREATE ROLE rds_iam_bootstrap_canary NOLOGIN;
  GRANT rds_iam TO rds_iam_bootstrap_canary;
  COMMIT;
  FOR i IN 1..200 LOOP
    EXIT WHEN pg_try_advisory_lock(1919185513, 2);
    PERFORM pg_sleep(0.05);
  END LOOP;
  PERFORM pg_advisory_unlock(1919185513, 2);
  DROP ROLE rds_iam_bootstrap_canary;
END $canary$";

/// Whether the canary is there, and whether the master user is a member of it.
const IS_THERE: &str = "SELECT pg_has_role(session_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = $1";

/// The time between two reads of the catalog, and their number.
const POLL: Duration = Duration::from_millis(20);
const POLLS: usize = 250;

/// The result of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The master user logged in: such a membership does not count, or the server makes none.
    DoesNotCount,
    /// The login was refused, and worked again without the canary.
    Counts,
}

/// The error of the test, which then shows nothing.
pub(crate) enum CanaryError {
    Statement(sqlx::Error),
    Connection(ConnectionError),
}

impl From<sqlx::Error> for CanaryError {
    fn from(error: sqlx::Error) -> Self {
        Self::Statement(error)
    }
}

impl From<ConnectionError> for CanaryError {
    fn from(error: ConnectionError) -> Self {
        Self::Connection(error)
    }
}

/// Runs the test. `lock` is the connection that holds the run's lock; `access` is the master user's.
pub(crate) async fn test(lock: &mut PgConnection, access: Access<'_>) -> Result<Rule, CanaryError> {
    let mut creator = connect_as_master(access, DATABASE).await?;
    set_up(&mut creator).await?;
    answer(sqlx::raw_sql("SET statement_timeout TO '30s'").execute(&mut creator)).await?;
    answer(sqlx::query("SELECT pg_advisory_lock($1, 2)").bind(NUMBER).execute(&mut *lock)).await?;

    let created = answer(sqlx::raw_sql(CREATE_AND_DROP).execute(&mut creator));
    let tried = async {
        let tried = log_in_beside(lock, access).await;
        // Whatever the result, the server may drop the canary now.
        let released = sqlx::query("SELECT pg_advisory_unlock($1, 2)").bind(NUMBER).execute(&mut *lock);
        answer(released).await?;
        Ok::<_, sqlx::Error>(tried)
    };
    let (created, tried) = tokio::join!(created, tried);
    created?;
    let rule = tried??;
    if rule == Rule::Counts {
        // A server that restarts refuses logins too: only one that works without the canary is proof.
        connect_as_master(access, DATABASE).await?;
    }
    Ok(rule)
}

/// Waits for the canary, and logs in as the master user.
async fn log_in_beside(lock: &mut PgConnection, access: Access<'_>) -> Result<Rule, CanaryError> {
    let mut is_member = None;
    for _ in 0..POLLS {
        is_member = read(lock).await?;
        if is_member.is_some() {
            break;
        }
        tokio::time::sleep(POLL).await;
    }
    match is_member {
        // The error of its creation is reported first.
        None => return Err(CanaryError::Statement(sqlx::Error::RowNotFound)),
        // The creation of a role makes no membership on this server.
        Some(false) => return Ok(Rule::DoesNotCount),
        Some(true) => {}
    }
    match connect_as_master(access, DATABASE).await {
        Ok(_) if read(lock).await?.is_some() => Ok(Rule::DoesNotCount),
        // The server has dropped the canary meanwhile: the login shows nothing.
        Ok(_) => Err(CanaryError::Statement(sqlx::Error::Io(io::ErrorKind::TimedOut.into()))),
        Err(ConnectionError::LockedOut) => Ok(Rule::Counts),
        Err(error) => Err(error.into()),
    }
}

/// Returns whether the master user is a member of the canary, if that exists.
async fn read(connection: &mut PgConnection) -> Result<Option<bool>, sqlx::Error> {
    answer(sqlx::query_scalar(IS_THERE).bind(CANARY).fetch_optional(connection)).await
}
