//! MySQL: connect options, the driver's executor, and the query whether a server refuses writes.

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::mysql::{MySql, MySqlConnectOptions, MySqlSslMode};
use sqlx::{ConnectOptions as _, Execute, Executor as _, Row as _, SqlStr};

use crate::builder::Builder;
use crate::connection::Connection;
use crate::credential::Credential;
use crate::engine::driver::{Driver, Route};
use crate::engine::{Engine, Step};
use crate::pool::Pool;
use crate::transaction::Transaction;

/// A pool of connections to MySQL that stays authenticated.
pub type MySqlPool = Pool<MySql>;

/// The settings of a pool of connections to MySQL: `MySqlBuilder::from_dsn(…)`.
pub type MySqlBuilder = Builder<MySql>;

/// A connection to MySQL, on which statements run as on sqlx's: the parameter of functions that took sqlx's.
pub type MySqlConnection = Connection<MySql>;

/// A transaction on a connection to MySQL.
pub type MySqlTransaction<'c> = Transaction<'c, MySql>;

/// The query whether a server refuses writes: as a replica, by its administrator, or (Aurora's readers) by its
/// storage. Every user may run it, and it pins no session behind RDS Proxy.
const IS_READ_ONLY: &str = "SELECT @@GLOBAL.read_only OR @@GLOBAL.innodb_read_only";

impl Engine for MySql {}

impl Driver for MySql {
    const DEFAULT_PORT: u16 = 3306;
    const REFUSED_WRITE_IS_PROOF: bool = true;
    const RETRIES_REFUSED_LOGINS: bool = false;
    const UNUSABLE_VARIABLES: &'static [&'static str] = &[];

    fn socket_file(_: u16) -> Option<String> {
        None
    }

    fn options(route: &Route<'_>) -> MySqlConnectOptions {
        let options = MySqlConnectOptions::new()
            .host(&route.endpoint.host().to_string())
            .port(route.endpoint.port())
            .username(route.user.as_str())
            .ssl_mode(MySqlSslMode::VerifyIdentity)
            .ssl_ca_from_pem(route.roots_pem.to_vec())
            // Changing sql_mode per session would pin it to one connection behind RDS Proxy.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .statement_cache_capacity(route.statement_cache)
            .disable_statement_logging();
        let options = match route.socket {
            // TLS still verifies the host above.
            Some(socket) => options.socket(socket),
            None => options,
        };
        let options = match route.credential {
            // A token is sent in cleartext, within TLS that has been verified before.
            Credential::Token(token) => options.password(token.expose()).enable_cleartext_plugin(true),
            Credential::Password(password) => options.password(password),
        };
        match route.database {
            Some(name) => options.database(name),
            None => options,
        }
    }

    async fn is_read_only(connection: &mut sqlx::MySqlConnection) -> sqlx::Result<bool> {
        let row = connection.fetch_one(sqlx::raw_sql(IS_READ_ONLY)).await?;
        row.try_get::<i64, _>(0).map(|on| on != 0)
    }

    async fn is_in_step(connection: &mut sqlx::MySqlConnection, number: i64) -> sqlx::Result<bool> {
        connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
        let echo = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SELECT {number}")));
        let rows = connection.fetch_all(echo).await?;
        Ok(rows.len() == 1 && rows.first().and_then(|row| row.try_get(0).ok()) == Some(number))
    }

    fn fetch_many<'e, 'q: 'e, E>(
        connection: &'e mut sqlx::MySqlConnection,
        query: E,
    ) -> BoxStream<'e, sqlx::Result<Step<Self>>>
    where
        E: 'q + Execute<'q, Self>,
    {
        connection.fetch_many(query)
    }

    fn prepare_with<'e>(
        connection: &'e mut sqlx::MySqlConnection,
        sql: SqlStr,
        parameters: &'e [Self::TypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<Self::Statement>> {
        connection.prepare_with(sql, parameters)
    }

    fn describe<'e>(
        connection: &'e mut sqlx::MySqlConnection,
        sql: SqlStr,
    ) -> BoxFuture<'e, sqlx::Result<sqlx::Describe<Self>>> {
        connection.describe(sql)
    }
}
