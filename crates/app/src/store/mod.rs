//! The statements of the service, by engine: which of them runs, and what a failed one means.

mod mysql;
mod postgres;

use rds_iam_infra::Engine;
use rds_iam_report::ErrorReport;
use rds_iam_sqlx::{Error, Pool, ServerCode};
use rds_iam_token::ErrorKind;
use serde::Serialize;

use crate::message::{Message, Text, Timestamp};
use crate::pool::Database;

/// The messages, through the pool.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pool: Database,
}

impl Store {
    pub(crate) fn new(pool: Database) -> Self {
        Self { pool }
    }

    pub(crate) fn pool(&self) -> &Database {
        &self.pool
    }

    /// Reads at most `limit` messages older than the one with the id `before`, newest first.
    pub(crate) async fn page(&self, before: Option<u64>, limit: u32) -> Result<Vec<Message>, Error> {
        match &self.pool {
            Database::MySql(pool) => mysql::page(pool, before, limit).await,
            Database::Postgres(pool) => postgres::page(pool, before, limit).await,
        }
    }

    /// Stores a message with the given time, in one statement: the caller gets the stored row or an error. Never
    /// retried, because the first attempt may have succeeded.
    pub(crate) async fn insert(&self, text: Text, created_at: Timestamp) -> Result<Message, Error> {
        let id = match &self.pool {
            Database::MySql(pool) => mysql::insert(pool, &text, created_at).await,
            Database::Postgres(pool) => postgres::insert(pool, &text, created_at).await,
        }?;
        Ok(Message { id, message: text.into_string(), created_at })
    }

    /// Returns whether the server accepts writes, or an error if the table can't be read. If it does not, the pool
    /// searches for one that does: without traffic, no refused write would start that search.
    pub(crate) async fn accepts_writes(&self) -> Result<bool, Error> {
        match &self.pool {
            Database::MySql(pool) => {
                mysql::check(pool).await?;
                Ok(!pool.is_read_only().await?)
            }
            Database::Postgres(pool) => {
                postgres::check(pool).await?;
                Ok(!pool.is_read_only().await?)
            }
        }
    }

    /// Queries the session's identity.
    pub(crate) async fn identity(&self) -> Result<Identity, Error> {
        match &self.pool {
            Database::MySql(pool) => mysql::identity(pool).await,
            Database::Postgres(pool) => postgres::identity(pool).await,
        }
    }
}

/// The identity of the session in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Identity {
    /// The engine that the session is of.
    #[serde(serialize_with = "name")]
    pub(crate) engine: Engine,
    pub(crate) user: String,
    /// What checks the login: MySQL's plugin, or the role `rds_iam` of PostgreSQL if the user is a member.
    pub(crate) plugin: Option<String>,
    pub(crate) cipher: Option<String>,
    pub(crate) tls_version: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn name<S: serde::Serializer>(engine: &Engine, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(engine)
}

/// A failed statement that the service has its own words for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The table does not exist.
    NoTable,
    /// The statement reached its limit: of time, or of waiting for a lock.
    TooSlow,
}

impl Failure {
    /// Returns what the server's code says; `None` for every other error.
    pub(crate) fn from_error(error: &Error) -> Option<Self> {
        match error.code()? {
            ServerCode::MySql(number) => mysql::failure(number),
            ServerCode::SqlState(code) => postgres::failure(code),
            _ => None,
        }
    }
}

/// Runs a read, and again if its connection broke.
async fn read<DB, T, F>(pool: &Pool<DB>, query: impl Fn(Pool<DB>) -> F) -> Result<T, Error>
where
    DB: rds_iam_sqlx::Engine,
    F: Future<Output = sqlx::Result<T>>,
{
    let explain = |error| pool.explain(error);
    match query(pool.clone()).await.map_err(explain) {
        Err(error @ Error::Statement { kind: ErrorKind::Unreachable | ErrorKind::ReadOnly, .. }) => {
            tracing::debug!(error = %ErrorReport(&error), "a connection broke under a read; reading again on another");
            query(pool.clone()).await.map_err(explain)
        }
        done => done,
    }
}
