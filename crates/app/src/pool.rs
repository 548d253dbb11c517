//! `Database`: the service's pool, of either engine.

use rds_iam_infra::Engine;
use rds_iam_sqlx::{MySqlPool, PgPool, Stats, TokenSource};

/// The pool of the service's database. Clones share it.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "another engine needs its statements too")]
pub enum Database {
    /// MySQL, or Aurora MySQL.
    MySql(MySqlPool),
    /// PostgreSQL, or Aurora PostgreSQL.
    Postgres(PgPool),
}

impl Database {
    /// Returns the engine.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self {
            Self::MySql(_) => Engine::MySql,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// Returns the counts of the pool and its tokens.
    #[must_use]
    pub fn stats(&self) -> Stats {
        match self {
            Self::MySql(pool) => pool.stats(),
            Self::Postgres(pool) => pool.stats(),
        }
    }

    /// Returns the source of the tokens that the pool logs in with.
    #[must_use]
    pub fn tokens(&self) -> &TokenSource {
        match self {
            Self::MySql(pool) => pool.tokens(),
            Self::Postgres(pool) => pool.tokens(),
        }
    }

    /// Closes the pool, once its connections are returned.
    pub async fn close(&self) {
        match self {
            Self::MySql(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl From<MySqlPool> for Database {
    fn from(pool: MySqlPool) -> Self {
        Self::MySql(pool)
    }
}

impl From<PgPool> for Database {
    fn from(pool: PgPool) -> Self {
        Self::Postgres(pool)
    }
}
