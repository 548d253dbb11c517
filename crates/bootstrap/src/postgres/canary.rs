//! The canary: a test whether a role that creates an IAM user can still log in by password. Since PostgreSQL 16 the
//! creator of a role is a member of it, and whether RDS counts that membership is not documented.
//!
//! The test creates a role that is a member of `rds_iam`, logs in as the master user, and drops the role. The server
//! itself drops it as soon as an advisory lock is free, after [`LIFETIME`] at the latest: a run that is killed, or loses
//! its connection, releases the lock. A server that stops meanwhile leaves the role, and the next run drops it.

use std::io;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::connection::{connect_as_master, set_up};
use super::lock::{self, DATABASE, NUMBER};
use super::{CANARY, Change, IAM_ROLE};
use crate::access::{Access, ConnectionError};
use crate::answer::answer;

/// The time after which the server drops the role in any case.
const LIFETIME: Duration = Duration::from_secs(10);

/// The time between the server's attempts to take the lock.
const PAUSE: Duration = Duration::from_millis(50);

/// The time limit of the server's statement, which must not end before it drops the role.
const STATEMENT_TIMEOUT: Duration = LIFETIME.saturating_mul(3);

/// Whether the canary is there, and whether the master user is a member of it. Both are read with one snapshot:
/// `pg_has_role` answers from the session's cache, which a transaction corrects only after others see its changes.
const IS_THERE: &str = "\
    SELECT EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member \
    WHERE m.roleid = canary.oid AND u.rolname = session_user) FROM pg_roles canary WHERE canary.rolname = $1";

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

/// Returns the statement that creates the role, waits for the lock, and drops the role. `COMMIT` is allowed in a block that
/// is alone in its message.
fn create_and_drop() -> String {
    let (role, iam, number, key) = (CANARY, IAM_ROLE, NUMBER, lock::TEST);
    let (rounds, pause) = (LIFETIME.as_millis() / PAUSE.as_millis(), PAUSE.as_secs_f64());
    format!(
        "\
DO $canary$ BEGIN
  CREATE ROLE {role} NOLOGIN;
  GRANT {iam} TO {role};
  COMMIT;
  FOR i IN 1..{rounds} LOOP
    EXIT WHEN pg_try_advisory_lock({number}, {key});
    PERFORM pg_sleep({pause});
  END LOOP;
  PERFORM pg_advisory_unlock({number}, {key});
  DROP ROLE {role};
END $canary$"
    )
}

/// Runs the test. `held` is the connection that holds the run's lock; `access` is the master user's. `is_left` is whether a
/// server that stopped during an earlier test has left the role, which the plan drops only after this.
pub(crate) async fn test(
    held: &mut PgConnection,
    access: Access<'_>,
    is_left: bool,
) -> Result<Rule, CanaryError> {
    let mut creator = connect_as_master(access, DATABASE).await?;
    set_up(&mut creator).await?;
    let timeout = AssertSqlSafe(format!("SET statement_timeout TO {}", STATEMENT_TIMEOUT.as_millis()));
    answer(sqlx::raw_sql(timeout).execute(&mut creator)).await?;
    if is_left {
        // Committed before the rest: the test waits for a role of that name, which must not be this one.
        answer(sqlx::raw_sql(AssertSqlSafe(Change::DropCanary.sql())).execute(&mut creator)).await?;
    }
    let take = sqlx::query("SELECT pg_advisory_lock($1, $2)").bind(NUMBER).bind(lock::TEST);
    answer(take.execute(&mut *held)).await?;

    let created = answer(sqlx::raw_sql(AssertSqlSafe(create_and_drop())).execute(&mut creator));
    let tried = async {
        let tried = log_in_beside(held, access).await;
        // Whatever the result, the server may drop the canary now.
        let release = sqlx::query("SELECT pg_advisory_unlock($1, $2)").bind(NUMBER).bind(lock::TEST);
        answer(release.execute(&mut *held)).await?;
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
async fn log_in_beside(held: &mut PgConnection, access: Access<'_>) -> Result<Rule, CanaryError> {
    let mut is_member = None;
    for _ in 0..POLLS {
        is_member = read(held).await?;
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
        Ok(_) if read(held).await?.is_some() => Ok(Rule::DoesNotCount),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache that is behind would say "no member" for a moment after the commit, and the run would lock its user out.
    #[test]
    fn the_membership_is_read_with_the_snapshot_that_shows_the_canary() {
        insta::assert_snapshot!(
            IS_THERE,
            @"SELECT EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member WHERE m.roleid = canary.oid AND u.rolname = session_user) FROM pg_roles canary WHERE canary.rolname = $1"
        );
    }

    #[test]
    fn the_statement_creates_and_drops_the_role() {
        insta::assert_snapshot!(create_and_drop(), @r"
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
        END $canary$
        ");
    }
}
