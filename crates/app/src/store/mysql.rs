//! The statements for MySQL. sqlx prepares them once per connection.
//!
//! Only MySQL: an account has the name of its plugin, and an error a number.
//!
//! Each statement limits its own time, so that it ends in the server even if its request was abandoned. Optimizer hints
//! do that without a `SET`, which would pin the session behind RDS Proxy. A `SELECT` has a hint for its execution time.
//! An `INSERT` of a row waits only for locks. Its hint limits the wait for a table's lock; InnoDB has none for a row's,
//! which `innodb_lock_wait_timeout` limits, by default to 50 s. 4 s are far more than these statements take. With the
//! 5 s to acquire a connection, that is less than the 10 s of a request: it is answered, and the connection is kept.

use rds_iam_infra::Engine;
use rds_iam_sqlx::{Error, MySqlPool};
use sqlx::mysql::MySqlRow;
use sqlx::{Executor as _, Row as _};

use super::{Failure, Identity, read};
use crate::message::{Message, Text, Timestamp};

/// The time is read as a number: it needs no time zone and no date type of the driver.
const PAGE: &str = "SELECT /*+ MAX_EXECUTION_TIME(4000) SET_VAR(lock_wait_timeout=4) */ id, message, CAST(UNIX_TIMESTAMP(created_at) * 1000 AS SIGNED) \
                    FROM messages WHERE id < ? ORDER BY id DESC LIMIT ?";
const INSERT: &str = "INSERT /*+ SET_VAR(lock_wait_timeout=4) */ INTO messages (message, created_at) VALUES (?, FROM_UNIXTIME(? / 1000))";
const CHECK: &str = "SELECT /*+ MAX_EXECUTION_TIME(2000) SET_VAR(lock_wait_timeout=2) */ 1 \
                     FROM messages LIMIT 1";

/// Returns what an error's number says about a statement of the service.
pub(super) fn failure(number: u16) -> Option<Failure> {
    match number {
        1146 => Some(Failure::NoTable),
        // Execution time, and the wait for a lock.
        3024 | 1205 => Some(Failure::TooSlow),
        _ => None,
    }
}

pub(super) async fn page(pool: &MySqlPool, before: Option<u64>, limit: u32) -> Result<Vec<Message>, Error> {
    read(pool, move |pool| async move {
        let rows = sqlx::query(PAGE).bind(before.unwrap_or(u64::MAX)).bind(limit).fetch_all(&pool).await?;
        rows.iter().map(message).collect()
    })
    .await
}

/// Stores a message and returns its id.
pub(super) async fn insert(pool: &MySqlPool, text: &Text, created_at: Timestamp) -> Result<u64, Error> {
    let insert = sqlx::query(INSERT).bind(text.as_str()).bind(created_at.0).execute(pool);
    let done = insert.await.map_err(|error| pool.explain(error))?;
    Ok(done.last_insert_id())
}

/// Reads the table.
///
/// An account with CONNECTION_ADMIN may write to a server that is `read_only`; the service's account lacks that
/// privilege.
pub(super) async fn check(pool: &MySqlPool) -> Result<(), Error> {
    read(pool, |pool| async move { sqlx::query(CHECK).fetch_all(&pool).await.map(drop) }).await
}

pub(super) async fn identity(pool: &MySqlPool) -> Result<Identity, Error> {
    read(pool, |pool| async move {
        let mut connection = pool.acquire().await?;
        let user = sqlx::query_scalar("SELECT CURRENT_USER()").fetch_one(&mut *connection).await?;
        // SHOW has no prepared form; every user may run both of these about itself.
        let (mut cipher, mut tls_version) = (None, None);
        let status = "SHOW SESSION STATUS WHERE Variable_name IN ('Ssl_cipher', 'Ssl_version')";
        for row in connection.fetch_all(sqlx::raw_sql(status)).await? {
            let value = Some(row.try_get::<String, _>(1)?).filter(|v| !v.is_empty());
            match row.try_get::<&str, _>(0)? {
                "Ssl_cipher" => cipher = value,
                _ => tls_version = value,
            }
        }
        let created = connection.fetch_all(sqlx::raw_sql("SHOW CREATE USER CURRENT_USER()")).await;
        let row = created.and_then(|rows| rows.into_iter().next().ok_or(sqlx::Error::RowNotFound));
        let plugin = match row.and_then(|row| row.try_get::<String, _>(0)) {
            Ok(statement) => plugin_of(&statement).map(str::to_owned),
            // A server or proxy that does not answer this still reports the rest.
            Err(sqlx::Error::Database(_) | sqlx::Error::ColumnDecode { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Identity { engine: Engine::MySql, user, plugin, cipher, tls_version })
    })
    .await
}

fn message(row: &MySqlRow) -> sqlx::Result<Message> {
    Ok(Message { id: row.try_get(0)?, message: row.try_get(1)?, created_at: Timestamp(row.try_get(2)?) })
}

/// Returns the plugin in ``CREATE USER `name`@`host` IDENTIFIED WITH 'plugin' …``, and nothing else of it: what
/// follows may be a password's hash. The names are skipped by their quotes, since they may contain any text.
fn plugin_of(statement: &str) -> Option<&str> {
    let rest = after_name(statement.strip_prefix("CREATE USER ")?)?;
    let rest = after_name(rest.strip_prefix('@')?)?.strip_prefix(" IDENTIFIED WITH '")?;
    let (plugin, _) = rest.split_once('\'')?;
    plugin.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_').then_some(plugin)
}

/// Returns the text after a quoted name; a doubled quote is a literal quote.
fn after_name(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '`' | '\'' | '"'))?;
    let mut rest = &text[1..];
    loop {
        rest = &rest[rest.find(quote)? + 1..];
        match rest.strip_prefix(quote) {
            Some(inside) => rest = inside,
            None => return Some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plugin_is_taken() {
        let plugin = |name: &str, rest: &str| {
            plugin_of(&format!("CREATE USER {name}@`%` IDENTIFIED WITH {rest}")).map(str::to_owned)
        };
        let iam = "'AWSAuthenticationPlugin' AS 'RDS' REQUIRE SSL";
        assert_eq!(plugin("`node_app`", iam).as_deref(), Some("AWSAuthenticationPlugin"));
        assert_eq!(plugin("'node_app'", iam).as_deref(), Some("AWSAuthenticationPlugin"));
        let hostile = "`x``@`` IDENTIFIED WITH 'fake' `";
        assert_eq!(plugin(hostile, iam).as_deref(), Some("AWSAuthenticationPlugin"));
        assert_eq!(
            plugin("`a`", "'caching_sha2_password' AS '$A$005$hash'").unwrap(),
            "caching_sha2_password"
        );
        assert_eq!(plugin("`a`", "'od d' AS ''"), None);
        for broken in ["", "CREATE USER ", "CREATE USER `a", "CREATE USER `a`@`%`", "CREATE USER a@b"] {
            assert_eq!(plugin_of(broken), None, "{broken}");
        }
    }
}
