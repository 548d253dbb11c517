//! The statements for PostgreSQL. sqlx prepares them once per connection.
//!
//! Only PostgreSQL: an error has an SQLSTATE.
//!
//! PostgreSQL has no hints that limit a statement's time. The limits are settings of the service's role:
//! `statement_timeout` and `lock_timeout`, 4 s each, so that a statement ends in the server even if its request was
//! abandoned. With the 5 s to acquire a connection, that is less than the 10 s of a request: it is answered, and the
//! connection is kept.

use rds_iam_infra::Engine;
use rds_iam_sqlx::{Error, PgPool};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::{Failure, Identity, read};
use crate::message::{Message, Text, Timestamp};

/// The time is read as a number: it needs no date type of the driver.
const PAGE: &str = "SELECT id, message, (extract(epoch FROM created_at) * 1000)::bigint \
                    FROM messages WHERE id < $1 ORDER BY id DESC LIMIT $2";
const INSERT: &str =
    "INSERT INTO messages (message, created_at) VALUES ($1, to_timestamp($2::bigint / 1000.0)) RETURNING id";
const CHECK: &str = "SELECT 1 FROM messages LIMIT 1";

/// Every user may read these about itself. The role is searched by name, since a server that is not RDS has none.
const IDENTITY: &str = "SELECT current_user::text, \
                        (SELECT rolname::text FROM pg_roles \
                         WHERE rolname = 'rds_iam' AND pg_has_role(current_user, oid, 'MEMBER')), \
                        ssl.cipher, ssl.version \
                        FROM (SELECT pg_backend_pid() AS pid) AS own LEFT JOIN pg_stat_ssl AS ssl USING (pid)";

/// Returns what a SQLSTATE says about a statement of the service.
pub(super) fn failure(code: [u8; 5]) -> Option<Failure> {
    match &code {
        b"42P01" => Some(Failure::NoTable),
        // Cancelled by `statement_timeout`, and a lock that was not available within `lock_timeout`.
        b"57014" | b"55P03" => Some(Failure::TooSlow),
        _ => None,
    }
}

pub(super) async fn page(pool: &PgPool, before: Option<u64>, limit: u32) -> Result<Vec<Message>, Error> {
    // The ids are those of a `bigint`: no message has a larger one.
    let before = before.and_then(|id| i64::try_from(id).ok()).unwrap_or(i64::MAX);
    read(pool, move |pool| async move {
        let rows = sqlx::query(PAGE).bind(before).bind(i64::from(limit)).fetch_all(&pool).await?;
        rows.iter().map(message).collect()
    })
    .await
}

/// Stores a message and returns its id.
pub(super) async fn insert(pool: &PgPool, text: &Text, created_at: Timestamp) -> Result<u64, Error> {
    let row = sqlx::query(INSERT).bind(text.as_str()).bind(created_at.0).fetch_one(pool).await;
    row.and_then(|row| id(&row)).map_err(|error| pool.explain(error))
}

/// Reads the table.
pub(super) async fn check(pool: &PgPool) -> Result<(), Error> {
    read(pool, |pool| async move { sqlx::query(CHECK).fetch_all(&pool).await.map(drop) }).await
}

pub(super) async fn identity(pool: &PgPool) -> Result<Identity, Error> {
    read(pool, |pool| async move {
        let row = sqlx::query(IDENTITY).fetch_one(&pool).await?;
        Ok(Identity {
            engine: Engine::Postgres,
            user: row.try_get(0)?,
            plugin: row.try_get(1)?,
            cipher: row.try_get(2)?,
            tls_version: row.try_get(3)?,
        })
    })
    .await
}

fn message(row: &PgRow) -> sqlx::Result<Message> {
    Ok(Message { id: id(row)?, message: row.try_get(1)?, created_at: Timestamp(row.try_get(2)?) })
}

/// Returns the id in the first column. The table generates ids from 1 upwards.
fn id(row: &PgRow) -> sqlx::Result<u64> {
    let id: i64 = row.try_get(0)?;
    u64::try_from(id).map_err(|error| sqlx::Error::ColumnDecode { index: "id".into(), source: error.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_table_and_the_limits_have_their_words() {
        let of = |code: &[u8; 5]| failure(*code);
        assert_eq!(of(b"42P01"), Some(Failure::NoTable));
        assert_eq!((of(b"57014"), of(b"55P03")), (Some(Failure::TooSlow), Some(Failure::TooSlow)));
        for other in [b"42501", b"57P01", b"25006"] {
            assert_eq!(failure(*other), None);
        }
    }
}
