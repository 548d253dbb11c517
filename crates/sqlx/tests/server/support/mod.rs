//! Servers with one application user, and pools on them, for each engine.

mod mysql;
mod postgres;

use std::time::Duration;

use rds_iam_emulator_server::fixtures::SkewedClock;
use rds_iam_emulator_server::{Kind, MySql, Relay, Server};
use rds_iam_sqlx::{Builder, Engine, Limits, Pool, Target};
use rds_iam_token::{Endpoint, Login, Minter, TokenSource};

pub(crate) const DATABASE: &str = "shop";

/// An engine, with what its tests need: its own words, and servers with the user `app` and the table `t (id INT PRIMARY KEY)`.
pub(crate) trait TestEngine: Engine + Kind {
    /// The driver's name in a configuration.
    const DRIVER: &'static str;
    /// The query of the user, and its name as the server has it.
    const CURRENT_USER: &'static str;
    const APP: &'static str;
    /// The query of the session's version of TLS.
    const TLS_VERSION: &'static str;
    /// The codes of a refused token, a user that does not exist, a database that does not exist, and a refused write.
    const DENIED: &'static str;
    const UNKNOWN_USER: &'static str;
    const UNKNOWN_DATABASE: &'static str;
    const READ_ONLY: &'static str;
    /// The mark of a user that logs in by token, as hints name it.
    const IAM_USER: &'static str;
    /// The logins after which a refused token is reported as denied.
    const LOGINS_TO_DENY: u64;
    /// Whether the pool itself repeats a throttled login, and so counts it; otherwise sqlx's does.
    const COUNTS_THROTTLED: bool;

    /// Starts a server.
    async fn server() -> Server<Self>;

    /// Refuses the next logins as a server that limits them.
    fn throttle(server: &Server<Self>, relay: &Relay, count: u32);

    /// Returns a statement that takes so long.
    fn sleep(seconds: f64) -> String;

    /// Returns the first column.
    fn text(row: &Self::Row) -> String;

    /// Returns the first column, a number of 8 bytes.
    fn number(row: &Self::Row) -> i64;
}

/// Registers tests for both engines.
macro_rules! on_each_engine {
    ($($test:ident),* $(,)?) => {
        mod mysql {
            $(#[tokio::test] async fn $test() { super::$test::<sqlx::MySql>().await; })*
        }
        mod postgres {
            $(#[tokio::test] async fn $test() { super::$test::<sqlx::Postgres>().await; })*
        }
    };
}
pub(crate) use on_each_engine;

pub(crate) async fn server() -> MySql {
    <sqlx::MySql as TestEngine>::server().await
}

pub(crate) fn target<DB: TestEngine>(server: &Server<DB>, dial: &Endpoint) -> Target {
    Target::new(server.endpoint().clone(), server.ca_pem()).dial(dial.clone())
}

pub(crate) fn login<DB: TestEngine>(server: &Server<DB>) -> Login {
    Login::new(server.endpoint().clone(), server.region().clone(), "app".parse().unwrap())
}

pub(crate) fn tokens<DB: TestEngine>(server: &Server<DB>, time: &SkewedClock) -> TokenSource {
    TokenSource::refresh_ahead(Minter::new(login(server), server.credentials(), time.clock()))
}

/// Limits that do nothing in the background, so that a test sees only what it did itself.
pub(crate) fn quiet() -> Limits {
    Limits::default().warm_connections(0).acquire_timeout(Duration::from_secs(20))
}

/// Settings of a pool that logs in with `tokens`.
pub(crate) fn builder<DB: TestEngine>(
    server: &Server<DB>,
    tokens: TokenSource,
    limits: Limits,
) -> Builder<DB> {
    Pool::builder(server.endpoint(), "app")
        .tokens(tokens)
        .dial(server.dial())
        .root_certificates(server.ca_pem())
        .database(DATABASE)
        .limits(limits)
}

pub(crate) fn pool<DB: TestEngine>(
    server: &Server<DB>,
    time: &SkewedClock,
    dial: &Endpoint,
    limits: Limits,
) -> Pool<DB> {
    builder(server, tokens(server, time), limits).dial(dial).connect_lazy().unwrap()
}
