//! PostgreSQL: connect options, the driver's executor, and the query whether a server refuses writes.
//!
//! Only PostgreSQL: its driver reads settings of a connection from variables of the environment.

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::postgres::{PgConnectOptions, PgSslMode, Postgres};
use sqlx::{ConnectOptions as _, Execute, Executor as _, Row as _, SqlStr};

use crate::builder::Builder;
use crate::connection::Connection;
use crate::credential::Credential;
use crate::engine::driver::{Driver, Route};
use crate::engine::{Engine, Step};
use crate::pool::Pool;
use crate::transaction::Transaction;

/// A pool of connections to PostgreSQL that stays authenticated.
///
/// Behind RDS Proxy, each connection of the pool is pinned to one of the server's from its first statement on: the proxy pins
/// at each statement that is parsed by itself, and sqlx parses all. So `max_connections` counts on the server, too.
pub type PgPool = Pool<Postgres>;

/// The settings of a pool of connections to PostgreSQL: `PgBuilder::from_dsn(…)`.
pub type PgBuilder = Builder<Postgres>;

/// A connection to PostgreSQL, on which statements run as on sqlx's: the parameter of functions that took sqlx's.
pub type PgConnection = Connection<Postgres>;

/// A transaction on a connection to PostgreSQL.
pub type PgTransaction<'c> = Transaction<'c, Postgres>;

/// The query whether a server refuses writes: as a standby (Aurora's readers too), or by its default for transactions, which may be
/// the database's. The default of a session or role is the service's own matter: no other server would accept its writes.
/// Every user may run it.
const IS_READ_ONLY: &str = "SELECT pg_catalog.pg_is_in_recovery() OR EXISTS (SELECT FROM pg_catalog.pg_settings \
    WHERE name = 'default_transaction_read_only' AND setting = 'on' \
    AND source NOT IN ('session', 'client', 'user', 'database user'))";

impl Engine for Postgres {}

impl Driver for Postgres {
    const DEFAULT_PORT: u16 = 5432;
    const REFUSED_WRITE_IS_PROOF: bool = false;
    // 53300 and 57P03.
    const RETRIES_REFUSED_LOGINS: bool = true;
    const UNUSABLE_VARIABLES: &'static [&'static str] = &["PGOPTIONS", "PGSSLCERT", "PGSSLKEY"];

    fn socket_file(port: u16) -> Option<String> {
        Some(format!(".s.PGSQL.{port}"))
    }

    fn options(route: &Route<'_>) -> PgConnectOptions {
        // It still reads variables of the environment: each field is set below, or its variable refused.
        let options = PgConnectOptions::new_without_pgpass()
            .host(&route.endpoint.host().to_string())
            .port(route.endpoint.port())
            .username(route.user.as_str())
            // The database of a user's name, as libpq takes it.
            .database(route.database.unwrap_or(route.user.as_str()))
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert_from_pem(route.roots_pem.to_vec())
            .application_name("rds-iam-sqlx")
            // The server's default is exact; RDS Proxy pins a session for a parameter that it does not track.
            .extra_float_digits(None)
            // Without a cache, sqlx closes no statement that it has named. In a cache of one, the next closes it.
            .statement_cache_capacity(route.statement_cache.max(1))
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

    async fn is_read_only(connection: &mut sqlx::PgConnection) -> sqlx::Result<bool> {
        connection.fetch_one(sqlx::raw_sql(IS_READ_ONLY)).await?.try_get(0)
    }

    async fn is_in_step(connection: &mut sqlx::PgConnection, number: i64) -> sqlx::Result<bool> {
        // A lone ROLLBACK outside of a transaction, the usual case, would be a warning in the logs of server and client.
        match connection.execute(sqlx::raw_sql("BEGIN; ROLLBACK")).await {
            Ok(_) => {}
            // In a transaction that has failed, the server refuses all but its end.
            Err(sqlx::Error::Database(_)) => {
                connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
            }
            Err(error) => return Err(error),
        }
        let echo = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SELECT {number}::pg_catalog.int8")));
        let rows = connection.fetch_all(echo).await?;
        Ok(rows.len() == 1 && rows.first().and_then(|row| row.try_get(0).ok()) == Some(number))
    }

    fn fetch_many<'e, 'q: 'e, E>(
        connection: &'e mut sqlx::PgConnection,
        query: E,
    ) -> BoxStream<'e, sqlx::Result<Step<Self>>>
    where
        E: 'q + Execute<'q, Self>,
    {
        connection.fetch_many(query)
    }

    fn prepare_with<'e>(
        connection: &'e mut sqlx::PgConnection,
        sql: SqlStr,
        parameters: &'e [Self::TypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<Self::Statement>> {
        connection.prepare_with(sql, parameters)
    }

    fn describe<'e>(
        connection: &'e mut sqlx::PgConnection,
        sql: SqlStr,
    ) -> BoxFuture<'e, sqlx::Result<sqlx::Describe<Self>>> {
        connection.describe(sql)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::unusable_variables;

    fn route_options(socket: Option<&std::path::Path>, database: Option<&str>) -> PgConnectOptions {
        let endpoint = "orders.c0ffee.eu-west-1.rds.amazonaws.com:5433".parse().unwrap();
        Postgres::options(&Route {
            endpoint: &endpoint,
            socket,
            roots_pem: b"roots",
            user: &"node_app".parse().unwrap(),
            credential: &Credential::Password("a-password"),
            database,
            statement_cache: 7,
        })
    }

    #[test]
    fn the_server_is_always_verified_fully() {
        let socket = std::path::Path::new("/tmp/somewhere");
        for (socket, database, expected) in
            [(None, None, "node_app"), (Some(socket), Some("orders"), "orders")]
        {
            let options = route_options(socket, database);
            assert!(matches!(options.get_ssl_mode(), PgSslMode::VerifyFull));
            assert_eq!(options.get_host(), "orders.c0ffee.eu-west-1.rds.amazonaws.com");
            assert_eq!((options.get_port(), options.get_username()), (5433, "node_app"));
            assert_eq!(options.get_database(), Some(expected));
            assert_eq!(options.get_socket().map(std::path::PathBuf::as_path), socket);
        }
    }

    #[test]
    fn variables_that_no_option_overrides_are_refused() {
        let errors: Vec<_> =
            unusable_variables::<Postgres>(|name| ["PGOPTIONS", "PGSSLKEY", "PGHOST"].contains(&name))
                .collect();
        let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        assert_eq!(errors.len(), 2, "{text}");
        assert!(text.contains("environment: PGOPTIONS is set") && text.contains("PGSSLKEY is set"), "{text}");
        assert_eq!(unusable_variables::<Postgres>(|_| false).count(), 0);
    }
}
