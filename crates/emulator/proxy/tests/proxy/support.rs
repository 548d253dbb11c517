//! A server with the user `app`, a proxy before it, and clients of the proxy.

use std::time::Duration;

use rds_iam_emulator_proxy::{Engine, Proxy, Settings};
use rds_iam_emulator_server::{Server, fixtures};
use rds_iam_sqlx::Pool;
use rds_iam_token::{Login, Minter, Token};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection, Executor, IntoArguments, MySql, Postgres, Row as _};

pub(crate) const DATABASE: &str = "shop";

type Options<DB> = <<DB as sqlx::Database>::Connection as Connection>::Options;

/// An engine, with what its tests need.
pub(crate) trait TestEngine:
    Engine + rds_iam_sqlx::Engine + sqlx::Database<Arguments: IntoArguments<Self>>
{
    const CURRENT_USER: &'static str;
    const APP: &'static str;
    /// The query of the number of the session at the database.
    const SESSION: &'static str;
    /// Statements that change a session, and queries whose answer for a new session is `none`.
    const STATE: &'static [(&'static str, &'static str)];
    /// The codes and messages of a refused token, a connection without TLS, too many logins, and a borrow timeout.
    const DENIED: (&'static str, &'static str);
    const NO_TLS: &'static str;
    const THROTTLED: &'static str;
    const TIMED_OUT: &'static str;
    /// The statements that create the user `old` with the password `a password`.
    const PASSWORD_USER: &'static [&'static str];
    /// The bytes of clients that stop in their login: at once, in their first message, and after their request for TLS.
    const BEGUN_LOGINS: [&'static [u8]; 3];
    /// A query of 1,000 rows of 100 KB: far more than the sockets between server and client hold.
    const LARGE: &'static str;

    /// Returns the options of a client that verifies the authority of the proxy's certificate; `None` for one without TLS.
    fn client(proxy: &Proxy, user: &str, secret: &str, tls: bool) -> Options<Self>;

    fn text(row: &Self::Row) -> String;

    fn number(row: &Self::Row) -> i64;

    /// Returns whether a client was sent no more than a proxy sends to one whose login it awaits.
    fn is_no_error(answer: &[u8]) -> bool;
}

impl TestEngine for MySql {
    const CURRENT_USER: &'static str = "SELECT CURRENT_USER()";
    const APP: &'static str = "app@%";
    const SESSION: &'static str = "SELECT CAST(CONNECTION_ID() AS SIGNED)";
    const STATE: &'static [(&'static str, &'static str)] = &[
        ("SET @mine = 'x'", "SELECT IFNULL(@mine, 'none')"),
        ("SET SESSION sql_mode = 'ANSI'", "SELECT IF(@@sql_mode LIKE '%ANSI%', @@sql_mode, 'none')"),
        ("SET NAMES latin1", "SELECT IF(@@character_set_client = 'latin1', 'latin1', 'none')"),
        ("USE information_schema", "SELECT IF(DATABASE() = 'shop', 'none', DATABASE())"),
        ("SELECT GET_LOCK('mine', 1)", "SELECT IF(IS_FREE_LOCK('mine'), 'none', 'locked')"),
    ];
    const DENIED: (&'static str, &'static str) =
        ("1045", "Access denied for user 'app'@'%' (using password: YES)");
    const NO_TLS: &'static str = "This RDS Proxy requires TLS connections.";
    const THROTTLED: &'static str = "IAM authentication rate limit exceeded";
    const TIMED_OUT: &'static str = "Timed-out waiting to acquire database connection";
    const PASSWORD_USER: &'static [&'static str] = &[
        "CREATE USER 'old'@'%' IDENTIFIED WITH caching_sha2_password BY 'a password' REQUIRE SSL",
        "GRANT SELECT ON shop.* TO 'old'@'%'",
    ];
    const BEGUN_LOGINS: [&'static [u8]; 3] = [
        b"",
        b"\x20\0\0",
        // Its length and number; PROTOCOL_41, SSL, SECURE_CONNECTION and PLUGIN_AUTH; the longest packet; the collation.
        b"\x20\0\0\x01\0\x8a\x08\0\0\0\0\x01\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ];
    const LARGE: &'static str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
         SELECT REPEAT('x', 100000) FROM n";

    fn client(proxy: &Proxy, user: &str, secret: &str, tls: bool) -> Options<Self> {
        let mode = if tls { MySqlSslMode::VerifyCa } else { MySqlSslMode::Disabled };
        MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(proxy.dial().port())
            .username(user)
            .password(secret)
            .database(DATABASE)
            .enable_cleartext_plugin(tls)
            .ssl_ca_from_pem(proxy.ca_pem().as_bytes().to_vec())
            .ssl_mode(mode)
    }

    fn text(row: &Self::Row) -> String {
        row.get(0)
    }

    fn number(row: &Self::Row) -> i64 {
        row.get(0)
    }

    /// The greeting alone: one packet, of version 10 of the protocol.
    fn is_no_error(answer: &[u8]) -> bool {
        matches!(answer, [length, 0, 0, 0, 10, rest @ ..] if rest.len() + 1 == usize::from(*length))
    }
}

impl TestEngine for Postgres {
    const CURRENT_USER: &'static str = "SELECT current_user::text";
    const APP: &'static str = "app";
    const SESSION: &'static str = "SELECT pg_backend_pid()::bigint";
    const STATE: &'static [(&'static str, &'static str)] = &[
        (
            "SET application_name = 'x'",
            "SELECT coalesce(nullif(current_setting('application_name'), ''), 'none')",
        ),
        (
            "SET search_path = pg_catalog",
            "SELECT replace(current_setting('search_path'), '\"$user\", public', 'none')",
        ),
        ("CREATE TEMPORARY TABLE mine (a int)", "SELECT coalesce(to_regclass('mine')::text, 'none')"),
        (
            "SELECT pg_advisory_lock(7)",
            "SELECT coalesce(max('locked'), 'none') FROM pg_locks WHERE locktype = 'advisory'",
        ),
        (
            "PREPARE mine AS SELECT 1",
            "SELECT coalesce(max(name), 'none') FROM pg_prepared_statements WHERE name = 'mine'",
        ),
    ];
    const DENIED: (&'static str, &'static str) =
        ("28000", "IAM authentication failed for user app. Check the IAM token for this user and try again.");
    const NO_TLS: &'static str = "IAM authentication is allowed only with SSL connections.";
    const THROTTLED: &'static str =
        "IAM authentication failed for user app with too many competing requests.";
    const TIMED_OUT: &'static str = "Timed-out waiting to acquire database connection.";
    const PASSWORD_USER: &'static [&'static str] =
        &["CREATE USER old PASSWORD 'a password'", "GRANT CONNECT ON DATABASE shop TO old"];
    const BEGUN_LOGINS: [&'static [u8]; 3] = [b"", b"\0\0\0", b"\0\0\0\x08\x04\xd2\x16\x2f"];
    const LARGE: &'static str = "SELECT repeat('x', 100000) FROM generate_series(1, 1000)";

    fn client(proxy: &Proxy, user: &str, secret: &str, tls: bool) -> Options<Self> {
        let mode = if tls { PgSslMode::VerifyCa } else { PgSslMode::Disable };
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(proxy.dial().port())
            .username(user)
            .password(secret)
            .database(DATABASE)
            .ssl_root_cert_from_pem(proxy.ca_pem().as_bytes().to_vec())
            .ssl_mode(mode)
    }

    fn text(row: &Self::Row) -> String {
        row.get(0)
    }

    fn number(row: &Self::Row) -> i64 {
        row.get(0)
    }

    /// Nothing, or the consent to TLS.
    fn is_no_error(answer: &[u8]) -> bool {
        matches!(answer, b"" | b"S")
    }
}

/// Starts a server with the user `app`.
pub(crate) async fn server<DB: TestEngine>() -> Server<DB> {
    let server = Server::<DB>::builder().database(DATABASE).start().await.unwrap();
    fixtures::create_user(&server, "app", &format!("SELECT ON {DATABASE}.*")).await.unwrap();
    server
}

/// Starts a server, and a proxy before it.
pub(crate) async fn both<DB: TestEngine>() -> (Server<DB>, Proxy) {
    let server = server::<DB>().await;
    let proxy = Proxy::start(settings(&server)).await.unwrap();
    (server, proxy)
}

/// Returns the settings of a proxy whose limits a busy machine keeps.
pub(crate) fn settings<DB: TestEngine>(server: &Server<DB>) -> Settings {
    let mut settings = Settings::before(server).unwrap();
    settings.limits.borrow_timeout = Duration::from_secs(60);
    settings.limits.login_timeout = Duration::from_secs(20);
    settings
}

/// Returns a token for `user` of the proxy.
pub(crate) async fn token<DB: TestEngine>(server: &Server<DB>, proxy: &Proxy, user: &str) -> Token {
    let login = Login::new(proxy.endpoint().clone(), server.region().clone(), user.parse().unwrap());
    let minter = Minter::new(login, server.credentials(), rds_iam_token::Clock::system());
    minter.mint().await.unwrap()
}

/// Connects as `app` by token.
pub(crate) async fn connect<DB: TestEngine>(
    server: &Server<DB>,
    proxy: &Proxy,
) -> sqlx::Result<DB::Connection> {
    connect_as(server, proxy, "app").await
}

/// Connects as `user` by token.
pub(crate) async fn connect_as<DB: TestEngine>(
    server: &Server<DB>,
    proxy: &Proxy,
    user: &str,
) -> sqlx::Result<DB::Connection> {
    let token = token(server, proxy, user).await;
    DB::client(proxy, user, token.expose(), true).connect().await
}

/// Returns a pool of the proxy's, which verifies its name.
pub(crate) async fn pool<DB: TestEngine>(server: &Server<DB>, proxy: &Proxy) -> Pool<DB> {
    let builder = Pool::<DB>::builder(proxy.endpoint(), "app")
        .credentials(server.credentials())
        .dial(proxy.dial())
        .root_certificates(proxy.ca_pem())
        .database(DATABASE);
    builder.connect().await.unwrap()
}

/// Returns the first column of a query's first row, as text. The query is not prepared.
pub(crate) async fn text<DB: TestEngine>(
    client: &mut DB::Connection,
    sql: &'static str,
) -> sqlx::Result<String>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    Ok(DB::text(&client.fetch_one(sqlx::raw_sql(sql)).await?))
}

/// Returns the number of the session at the database.
pub(crate) async fn session<DB: TestEngine>(client: &mut DB::Connection) -> i64
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let sql = DB::SESSION;
    DB::number(&client.fetch_one(sqlx::query(sql)).await.unwrap())
}

/// Returns code and message of a client's error.
pub(crate) fn message<T>(result: sqlx::Result<T>) -> (String, String) {
    match result {
        Ok(_) => panic!("no error"),
        Err(sqlx::Error::Database(error)) => {
            let number =
                error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(|e| e.number().to_string());
            let code = number.or_else(|| error.code().map(Into::into)).unwrap_or_default();
            (code, error.message().to_owned())
        }
        Err(other) => panic!("not the server's error: {other}"),
    }
}
