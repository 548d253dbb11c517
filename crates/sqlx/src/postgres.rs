//! PostgreSQL: connect options, the driver's executor, and the query whether a server refuses writes.

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode, Postgres};
use sqlx::{ConnectOptions as _, Execute, Executor as _, Row as _, SqlStr};

use crate::credential::Credential;
use crate::engine::driver::{Driver, Route};
use crate::engine::{Engine, Step};

/// The query whether a server refuses writes: as a standby (Aurora's readers too), or by its default for transactions.
/// Every user may run it, and it pins no session behind RDS Proxy more than any other statement of sqlx.
const IS_READ_ONLY: &str = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool";

impl Engine for Postgres {}

impl Driver for Postgres {
    const DEFAULT_PORT: u16 = 5432;

    fn options(route: &Route<'_>) -> PgConnectOptions {
        // It still reads the variables `PG…` of the environment: each field is set below.
        let options = PgConnectOptions::new_without_pgpass()
            .host(&route.endpoint.host().to_string())
            .port(route.endpoint.port())
            .username(route.user.as_str())
            // The database of a user's name, as libpq takes it.
            .database(route.database.unwrap_or(route.user.as_str()))
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert_from_pem(route.roots_pem.to_vec())
            .application_name("rds-iam-sqlx")
            .extra_float_digits(None)
            .statement_cache_capacity(route.statement_cache)
            .disable_statement_logging();
        let options = match route.socket {
            // TLS still verifies the host above.
            Some(socket) => options.socket(socket),
            None => options,
        };
        match route.credential {
            // A token is sent in cleartext if the server asks for that, within TLS that has been verified before.
            Credential::Token(token) => options.password(token.expose()),
            Credential::Password(password) => options.password(password),
        }
    }

    async fn is_read_only(connection: &mut PgConnection) -> sqlx::Result<bool> {
        connection.fetch_one(sqlx::raw_sql(IS_READ_ONLY)).await?.try_get(0)
    }

    async fn is_in_step(connection: &mut PgConnection, number: i64) -> sqlx::Result<bool> {
        // Outside of a transaction, this is a warning.
        connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
        let echo = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SELECT {number}::bigint")));
        let rows = connection.fetch_all(echo).await?;
        Ok(rows.len() == 1 && rows.first().and_then(|row| row.try_get(0).ok()) == Some(number))
    }

    fn fetch_many<'e, 'q: 'e, E>(
        connection: &'e mut PgConnection,
        query: E,
    ) -> BoxStream<'e, sqlx::Result<Step<Self>>>
    where
        E: 'q + Execute<'q, Self>,
    {
        connection.fetch_many(query)
    }

    fn prepare_with<'e>(
        connection: &'e mut PgConnection,
        sql: SqlStr,
        parameters: &'e [Self::TypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<Self::Statement>> {
        connection.prepare_with(sql, parameters)
    }

    fn describe<'e>(
        connection: &'e mut PgConnection,
        sql: SqlStr,
    ) -> BoxFuture<'e, sqlx::Result<sqlx::Describe<Self>>> {
        connection.describe(sql)
    }
}
