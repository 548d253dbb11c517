//! A server with the user `app`, and a gateway in front of it, for each engine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rds_iam_emulator_server::fixtures::{self, SkewedClock};
use rds_iam_emulator_server::{Kind, Server};
use rds_iam_gateway::{Address, Gateway, Limits, LocalPassword, Target, Tokens, Upstream, UserRule};
use rds_iam_infra::Engine;
use rds_iam_roots::Roots;
use rds_iam_token::{Endpoint, Minter, TokenSource};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, Executor, IntoArguments, MySql, Postgres, Row as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const DATABASE: &str = "shop";

type Options<DB> = <<DB as sqlx::Database>::Connection as Connection>::Options;

/// An engine, with what its tests need.
pub(crate) trait TestEngine: Kind<Arguments: IntoArguments<Self>> {
    const ENGINE: Engine;
    /// The query of the user, and its answer for `app`.
    const CURRENT_USER: &'static str;
    const APP: &'static str;
    /// The query of the session's number.
    const SESSION: &'static str;
    /// A statement that takes 2 seconds.
    const SHORT_SLEEP: &'static str;
    /// A statement that takes 60 seconds.
    const SLEEP: &'static str;
    /// A query of a row of 20 MB, more than a packet of MySQL, in columns that sqlx can read: 10 MB each.
    const LARGE: &'static str;
    /// A query of 20 MB in rows of 10 KB.
    const MANY_ROWS: &'static str;

    /// Returns the options of a client without TLS.
    fn options(address: &Address, user: &str, password: &str) -> Options<Self>;

    /// Returns the first column of a row as text.
    fn text(row: &Self::Row) -> String;

    /// Returns the first column of a row as a number.
    fn number(row: &Self::Row) -> i64;

    /// Returns the statement that ends the statement of a session.
    fn stop(session: i64) -> String;
}

impl TestEngine for MySql {
    const ENGINE: Engine = Engine::MySql;
    const CURRENT_USER: &'static str = "SELECT CURRENT_USER()";
    const APP: &'static str = "app@%";
    const SESSION: &'static str = "SELECT CAST(CONNECTION_ID() AS SIGNED)";
    const SHORT_SLEEP: &'static str = "SELECT CAST(SLEEP(2) AS CHAR)";
    const SLEEP: &'static str = "SELECT CAST(SLEEP(60) AS CHAR)";
    const LARGE: &'static str = "SELECT REPEAT('x', 10000000), REPEAT('y', 10000000)";
    const MANY_ROWS: &'static str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
        SELECT REPEAT('x', 10000) FROM n UNION ALL SELECT REPEAT('y', 10000) FROM n";

    fn options(address: &Address, user: &str, password: &str) -> Options<Self> {
        let options = MySqlConnectOptions::new()
            .username(user)
            .password(password)
            .database(DATABASE)
            .ssl_mode(MySqlSslMode::Disabled);
        match address {
            Address::Tcp(tcp) => options.host(&tcp.ip().to_string()).port(tcp.port()),
            Address::Unix(path) => options.socket(path),
        }
    }

    fn text(row: &Self::Row) -> String {
        row.get(0)
    }

    fn number(row: &Self::Row) -> i64 {
        row.get(0)
    }

    fn stop(session: i64) -> String {
        format!("KILL QUERY {session}")
    }
}

impl TestEngine for Postgres {
    const ENGINE: Engine = Engine::Postgres;
    const CURRENT_USER: &'static str = "SELECT current_user::text";
    const APP: &'static str = "app";
    const SESSION: &'static str = "SELECT pg_backend_pid()::bigint";
    const SHORT_SLEEP: &'static str = "SELECT pg_sleep(2)::text";
    const SLEEP: &'static str = "SELECT pg_sleep(60)::text";
    const LARGE: &'static str = "SELECT repeat('x', 10000000), repeat('y', 10000000)";
    const MANY_ROWS: &'static str = "SELECT repeat('x', 10000) FROM generate_series(1, 2000)";

    fn options(address: &Address, user: &str, password: &str) -> Options<Self> {
        let options =
            PgConnectOptions::new_without_pgpass().username(user).password(password).database(DATABASE);
        match address {
            Address::Tcp(tcp) => {
                options.host(&tcp.ip().to_string()).port(tcp.port()).ssl_mode(PgSslMode::Disable)
            }
            Address::Unix(path) => options.socket(path.parent().unwrap_or(Path::new("/"))),
        }
    }

    fn text(row: &Self::Row) -> String {
        row.get(0)
    }

    fn number(row: &Self::Row) -> i64 {
        row.get(0)
    }

    fn stop(session: i64) -> String {
        format!("SELECT pg_cancel_backend({session})::text")
    }
}

/// Starts a server with the user `app`.
pub(crate) async fn server<DB: TestEngine>() -> Server<DB> {
    let server = Server::<DB>::builder().database(DATABASE).start().await.unwrap();
    fixtures::create_user(&server, "app", &format!("SELECT ON {DATABASE}.*")).await.unwrap();
    server
}

/// A gateway that serves in the background. Dropping it ends it at once.
pub(crate) struct Running {
    pub(crate) address: Address,
    pub(crate) admin: std::net::SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) serving: JoinHandle<()>,
}

impl Running {
    /// Begins the drain.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The settings of a listener for `server` on any port.
pub(crate) fn target<DB: TestEngine>(server: &Server<DB>, dial: &Endpoint, clock: &SkewedClock) -> Target {
    let roots = Roots::parse(server.ca_pem().as_bytes()).unwrap();
    let upstream = Upstream::new(server.endpoint().clone(), Some(dial.clone()), &roots).unwrap();
    let (login, credentials, clock) = (fixtures::login(server, "app"), server.credentials(), clock.clock());
    let tokens = Tokens::new(move |user| {
        let mut login = login.clone();
        login.user = user.clone();
        Ok(TokenSource::refresh_ahead(Minter::new(login, credentials.clone(), clock.clone())))
    });
    Target {
        name: "shop".into(),
        engine: DB::ENGINE,
        address: "0".parse().unwrap(),
        upstream,
        user: UserRule::Only("app".parse().unwrap()),
        database: None,
        tokens: Arc::new(tokens),
        password: None,
        limits: Limits { logins_per_second: 1_000, ..Limits::default() },
    }
}

/// Starts a gateway with one listener.
pub(crate) async fn run(target: Target) -> Running {
    run_for(target, Duration::from_secs(20)).await
}

/// Starts a gateway that drains for as long as `deadline`.
pub(crate) async fn run_for(target: Target, deadline: Duration) -> Running {
    let gateway = Gateway::bind(vec![target]).await.unwrap();
    let address = gateway.addresses().next().unwrap().clone();
    let admin = gateway.serve_admin("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move { drop(stopped.await) };
    let serving = tokio::spawn(gateway.serve(stopped, std::future::pending(), deadline));
    Running { address, admin, stop: Some(stop), serving }
}

/// Starts a server, and a gateway in front of it.
pub(crate) async fn both<DB: TestEngine>() -> (Server<DB>, Running) {
    let server = server::<DB>().await;
    let gateway = run(target(&server, server.dial(), &SkewedClock::default())).await;
    (server, gateway)
}

/// Connects as `app` without a password.
pub(crate) async fn connect<DB: TestEngine>(address: &Address) -> Result<DB::Connection, sqlx::Error> {
    DB::options(address, "app", "").connect().await
}

/// Returns the error of a client that is not logged in.
pub(crate) async fn refusal<DB: TestEngine>(address: &Address, user: &str, password: &str) -> sqlx::Error {
    match DB::options(address, user, password).connect().await {
        Ok(_) => panic!("{user} is logged in"),
        Err(error) => error,
    }
}

/// Returns the text of a query's only value.
pub(crate) async fn text<DB: TestEngine>(
    connection: &mut DB::Connection,
    query: &'static str,
) -> Result<String, sqlx::Error>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    connection.fetch_one(sqlx::raw_sql(query)).await.map(|row| DB::text(&row))
}

/// Returns the error of the database or the gateway, with its code.
pub(crate) fn message(error: &sqlx::Error) -> (String, String) {
    let error = error.as_database_error().unwrap_or_else(|| panic!("no error of a server: {error:?}"));
    (error.code().unwrap_or_default().into_owned(), error.message().to_owned())
}

/// Passwords of a listener.
pub(crate) fn password() -> LocalPassword {
    LocalPassword::random().unwrap()
}
