//! The differences between the engines in the tests of servers, and what these tests share.

#![allow(dead_code, reason = "each test program uses its part")]

use std::time::SystemTime;

use aws_credential_types::Credentials;
use rds_iam_emulator_server::{Error, Kind, OptionsOf, RefusalCode, Relay, Server, fixtures};
use rds_iam_token::sign;
use sqlx::mysql::{MySqlConnection, MySqlDatabaseError};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// An engine in these tests.
pub(crate) trait TestEngine: Kind {
    /// The number or SQLSTATE of a refused login, of one that is throttled, and of a write that a reader refuses.
    const REFUSED: &'static str;
    const THROTTLED: &'static str;
    const READ_ONLY: &'static str;
    /// The query of the session's user, and its answer for `app`.
    const USER: [&'static str; 2];
    /// A table of the database `shop`.
    const TABLE: &'static str;

    /// Returns the first column of the first row as a text.
    fn text(
        connection: &mut Self::Connection,
        sql: String,
    ) -> impl Future<Output = sqlx::Result<String>> + Send;

    /// Returns the cipher of the connection; empty without TLS.
    fn cipher(connection: &mut Self::Connection) -> impl Future<Output = sqlx::Result<String>> + Send;

    /// Runs statements.
    fn run(connection: &mut Self::Connection, sql: String) -> impl Future<Output = sqlx::Result<()>> + Send {
        Self::run_statements(connection, sql)
    }

    /// Returns the number or SQLSTATE of a server's error.
    fn code(error: &sqlx::Error) -> Option<String>;

    /// Returns the options with another port of the same host.
    fn at_port(options: OptionsOf<Self>, port: u16) -> OptionsOf<Self>;

    /// Throttles the next logins through the relay.
    fn throttle(server: &Server<Self>, relay: &Relay, count: u32) -> std::result::Result<(), Error>;
}

impl TestEngine for sqlx::MySql {
    const REFUSED: &'static str = "1045";
    const THROTTLED: &'static str = "1040";
    const READ_ONLY: &'static str = "1290";
    const USER: [&'static str; 2] = ["SELECT CURRENT_USER()", "app@%"];
    const TABLE: &'static str = "shop.t";

    async fn text(connection: &mut MySqlConnection, sql: String) -> sqlx::Result<String> {
        sqlx::query(AssertSqlSafe(sql)).fetch_one(connection).await?.try_get(0)
    }

    async fn cipher(connection: &mut MySqlConnection) -> sqlx::Result<String> {
        sqlx::query("SHOW STATUS LIKE 'Ssl_cipher'").fetch_one(connection).await?.try_get(1)
    }

    fn code(error: &sqlx::Error) -> Option<String> {
        let error = error.as_database_error()?.downcast_ref::<MySqlDatabaseError>();
        Some(error.number().to_string())
    }

    fn at_port(options: OptionsOf<Self>, port: u16) -> OptionsOf<Self> {
        options.port(port)
    }

    fn throttle(_server: &Server<Self>, relay: &Relay, count: u32) -> std::result::Result<(), Error> {
        relay.throttle_next(count);
        Ok(())
    }
}

impl TestEngine for sqlx::Postgres {
    const REFUSED: &'static str = "28000";
    const THROTTLED: &'static str = "53300";
    const READ_ONLY: &'static str = "25006";
    const USER: [&'static str; 2] = ["SELECT current_user::text", "app"];
    const TABLE: &'static str = "public.t";

    async fn text(connection: &mut PgConnection, sql: String) -> sqlx::Result<String> {
        sqlx::query(AssertSqlSafe(sql)).fetch_one(connection).await?.try_get(0)
    }

    async fn cipher(connection: &mut PgConnection) -> sqlx::Result<String> {
        let sql = "SELECT coalesce(cipher, '') FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        sqlx::query(sql).fetch_one(connection).await?.try_get(0)
    }

    fn code(error: &sqlx::Error) -> Option<String> {
        Some(error.as_database_error()?.code()?.into_owned())
    }

    fn at_port(options: OptionsOf<Self>, port: u16) -> OptionsOf<Self> {
        options.port(port)
    }

    fn throttle(server: &Server<Self>, _relay: &Relay, count: u32) -> std::result::Result<(), Error> {
        server.throttle_next(count)
    }
}

#[expect(clippy::disallowed_methods, reason = "the server's clock is the machine's, moved by `set_clock`")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

pub(crate) fn token_of<E: Kind>(server: &Server<E>, user: &str, credentials: &Credentials) -> Result<String> {
    let login = fixtures::login(server, user);
    Ok(sign(&login, credentials, now())?.expose().to_owned())
}

pub(crate) fn token<E: Kind>(server: &Server<E>) -> Result<String> {
    token_of(server, "app", &server.credentials())
}

/// Logs in directly.
pub(crate) async fn log_in<E: Kind>(
    server: &Server<E>,
    user: &str,
    secret: &str,
) -> sqlx::Result<E::Connection> {
    E::Connection::connect_with(&fixtures::login_options(server, user, secret)).await
}

/// Returns the number or SQLSTATE of a refused connection.
pub(crate) fn code<E: TestEngine>(result: sqlx::Result<E::Connection>) -> String {
    let error = result.map(drop).expect_err("the login is refused");
    E::code(&error).unwrap_or_else(|| panic!("neither in nor refused: {error:?}"))
}

/// Tries `token` and returns why the server refused it, after checking that the client gets no reason.
pub(crate) async fn refusal<E: TestEngine>(server: &Server<E>, token: &str) -> Result<(RefusalCode, String)> {
    let before = server.logins()?.len();
    assert_eq!(code::<E>(log_in(server, "app", token).await), E::REFUSED);
    let logins = server.logins()?;
    assert_eq!(logins.len(), before + 1);
    let last = &logins[before];
    Ok((last.code().unwrap(), last.reason().unwrap().to_owned()))
}
