//! Servers with one application user, and pools on them, for each engine.

mod mysql;
mod postgres;
mod requests;

use std::time::Duration;

use rds_iam_emulator_server::fixtures::SkewedClock;
use rds_iam_emulator_server::{Kind, Relay, Server};
use rds_iam_sqlx::{Builder, Engine, Limits, Pool, Target};
use rds_iam_token::{Endpoint, Login, Minter, TokenSource};
use sqlx::IntoArguments;
use sqlx::query::Query;

pub(crate) use requests::Requests;

pub(crate) const DATABASE: &str = "shop";

/// An engine, with what its tests need: its own words, and servers with the user `app` and the table `t (id INT PRIMARY KEY)`.
pub(crate) trait TestEngine: Engine + Kind<Arguments: IntoArguments<Self>> {
    /// The driver's name in a configuration, and the scheme of a connection string.
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
    /// The statement that inserts one number into `t`, with its placeholder.
    const INSERT: &'static str;
    /// The query of the number of prepared statements: the server's, or the session's.
    const PREPARED: &'static str;
    /// That number on a connection without a cache.
    const PREPARED_WITHOUT_A_CACHE: &'static str;
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

    /// Returns the number of sessions that `app` has on the server.
    async fn sessions(server: &Server<Self>) -> i64;

    /// Returns [`INSERT`](Self::INSERT) with its number.
    fn insert(id: i32) -> Query<'static, Self, Self::Arguments>;

    /// Returns the number of rows that a statement changed.
    fn changed(result: &Self::QueryResult) -> u64;

    /// Returns the first column.
    fn text(row: &Self::Row) -> String;

    /// Returns the first column, a number of 8 bytes.
    fn number(row: &Self::Row) -> i64;

    /// Returns the first column, a number of 4 bytes, such as a row of `t`.
    fn id(row: &Self::Row) -> i32;
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
