//! Every SQL statement of the service. Statements are prepared once per connection by sqlx.
//!
//! Each statement limits its own time, so that it ends in the server even where its request has been given
//! up. Hints do that without a `SET`, which would pin the session behind RDS Proxy. A `SELECT` has one for its
//! time. An `INSERT` of a row has nothing to wait for but locks: the hint is for a table's; InnoDB has none for
//! a row's, which `innodb_lock_wait_timeout` ends, after 50 s where the server has its default. 4 s are far
//! above what these statements take, and with the 5 s that a connection may take to come, below the 10 s of a
//! request: it is answered, and the connection stays good.

use std::future::Future;

use rds_iam_pool::{Connection, Pool, PoolError, Remedy};
use serde::Serialize;
use sqlx::mysql::MySqlRow;
use sqlx::{Executor, Row};

use crate::message::{Message, Text, Timestamp};

/// The error number of MySQL's "table doesn't exist".
pub(crate) const NO_SUCH_TABLE: u16 = 1146;

/// The error numbers of a statement that reached its limit: of time, and of waiting for a lock.
pub(crate) const TOO_SLOW: [u16; 2] = [3024, 1205];

/// The moment is read as a number: it needs no time zone and no date type of the driver.
const PAGE: &str = "SELECT /*+ MAX_EXECUTION_TIME(4000) SET_VAR(lock_wait_timeout=4) */ id, message, CAST(UNIX_TIMESTAMP(created_at) * 1000 AS SIGNED) \
                    FROM messages WHERE id < ? ORDER BY id DESC LIMIT ?";
const INSERT: &str = "INSERT /*+ SET_VAR(lock_wait_timeout=4) */ INTO messages (message, created_at) VALUES (?, FROM_UNIXTIME(? / 1000))";
const CHECK: &str = "SELECT /*+ MAX_EXECUTION_TIME(2000) SET_VAR(lock_wait_timeout=2) */ 1 \
                     FROM messages LIMIT 1";

/// The messages, through the pool.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pool: Pool,
}

impl Store {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// At most `limit` messages older than the one with the id `before`, newest first.
    pub(crate) async fn page(&self, before: Option<u64>, limit: u32) -> Result<Vec<Message>, PoolError> {
        self.read(move |mut connection: Connection| async move {
            let rows = sqlx::query(PAGE)
                .bind(before.unwrap_or(u64::MAX))
                .bind(limit)
                .fetch_all(&mut *connection)
                .await?;
            connection.release();
            rows.iter().map(message).collect()
        })
        .await
    }

    /// Stores a message with the moment given, in one statement: either the row is there and known, or
    /// the caller gets an error. Never retried, since the first attempt may have arrived.
    pub(crate) async fn insert(&self, text: Text, created_at: Timestamp) -> Result<Message, PoolError> {
        let mut connection = self.pool.acquire().await?;
        let done = sqlx::query(INSERT)
            .bind(text.as_str())
            .bind(created_at.0)
            .execute(&mut *connection)
            .await
            .map_err(|error| self.pool.report(error))?;
        connection.release();
        Ok(Message { id: done.last_insert_id(), message: text.into_string(), created_at })
    }

    /// Whether the server accepts writes. An error where the table can't be read. Where it does not, the pool
    /// searches for one that does from then on: without traffic, no refused write would tell it to.
    ///
    /// An account with CONNECTION_ADMIN may write to a server that is `read_only`; the service's has no such
    /// right.
    pub(crate) async fn accepts_writes(&self) -> Result<bool, PoolError> {
        self.read(|mut connection: Connection| async move {
            sqlx::query(CHECK).fetch_all(&mut *connection).await?;
            connection.release();
            Ok(())
        })
        .await?;
        Ok(!self.pool.is_read_only().await?)
    }

    /// Who the database says we are.
    pub(crate) async fn identity(&self) -> Result<Identity, PoolError> {
        self.read(|mut connection: Connection| async move {
            let user = sqlx::query_scalar("SELECT CURRENT_USER()").fetch_one(&mut *connection).await?;
            // SHOW has no prepared form; every user may ask both of these about itself.
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
                Ok(statement) => {
                    connection.release();
                    plugin_of(&statement).map(str::to_owned)
                }
                // A server or proxy that does not answer this still tells the rest.
                Err(sqlx::Error::Database(_) | sqlx::Error::ColumnDecode { .. }) => None,
                Err(error) => return Err(error),
            };
            Ok(Identity { user, plugin, cipher, tls_version })
        })
        .await
    }

    /// Runs a read on a pooled connection, and once more on another if that connection was broken.
    async fn read<T, F>(&self, query: impl Fn(Connection) -> F) -> Result<T, PoolError>
    where
        F: Future<Output = sqlx::Result<T>>,
    {
        let report = |error| self.pool.report(error);
        match query(self.pool.acquire().await?).await.map_err(report) {
            Err(error) if error.remedy() == Remedy::Reconnect => {
                tracing::debug!(%error, "a connection broke under a read; reading again on another");
                query(self.pool.acquire().await?).await.map_err(report)
            }
            done => done,
        }
    }
}

/// What the database knows about the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Identity {
    pub(crate) user: String,
    pub(crate) plugin: Option<String>,
    pub(crate) cipher: Option<String>,
    pub(crate) tls_version: Option<String>,
}

fn message(row: &MySqlRow) -> sqlx::Result<Message> {
    Ok(Message { id: row.try_get(0)?, message: row.try_get(1)?, created_at: Timestamp(row.try_get(2)?) })
}

/// The plugin in ``CREATE USER `name`@`host` IDENTIFIED WITH 'plugin' …``, and nothing else of it: what
/// follows may be a password's hash. The names are skipped by their quotes, since they may hold any text.
fn plugin_of(statement: &str) -> Option<&str> {
    let rest = after_name(statement.strip_prefix("CREATE USER ")?)?;
    let rest = after_name(rest.strip_prefix('@')?)?.strip_prefix(" IDENTIFIED WITH '")?;
    let (plugin, _) = rest.split_once('\'')?;
    plugin.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_').then_some(plugin)
}

/// What follows a name in quotes; a doubled quote stands for itself.
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
