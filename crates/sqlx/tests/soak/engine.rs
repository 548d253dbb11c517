//! An engine's own words for the load, and its way to throttle.

use rds_iam_emulator_server::{Kind, Relay, Server, fixtures};
use rds_iam_sqlx::Engine;
use sqlx::IntoArguments;
use sqlx::Row as _;
use sqlx::query::Query;

pub(crate) const DATABASE: &str = "shop";

pub(crate) trait SoakEngine: Engine + Kind<Arguments: IntoArguments<Self>> {
    /// The table's name for the master user.
    const TABLE: &'static str;

    /// Returns the statement that inserts a row.
    fn insert(id: i64) -> Query<'static, Self, Self::Arguments>;

    /// Returns the number of sessions that `app` has on the server.
    async fn sessions(server: &Server<Self>) -> i64;

    /// Returns the first column.
    fn number(row: &Self::Row) -> i64;

    /// Refuses the next logins as a server that limits them.
    fn throttle(server: &Server<Self>, relay: &Relay, count: u32);
}

impl SoakEngine for sqlx::MySql {
    const TABLE: &'static str = "shop.t";

    fn insert(id: i64) -> Query<'static, Self, Self::Arguments> {
        sqlx::query("INSERT INTO t VALUES (?)").bind(id)
    }

    async fn sessions(server: &Server<Self>) -> i64 {
        let mut master = fixtures::as_master(server).await.unwrap();
        sqlx::query_scalar("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app'")
            .fetch_one(&mut master)
            .await
            .unwrap()
    }

    fn number(row: &Self::Row) -> i64 {
        row.get(0)
    }

    fn throttle(_: &Server<Self>, relay: &Relay, count: u32) {
        relay.throttle_next(count);
    }
}

impl SoakEngine for sqlx::Postgres {
    const TABLE: &'static str = "t";

    fn insert(id: i64) -> Query<'static, Self, Self::Arguments> {
        sqlx::query("INSERT INTO t VALUES ($1)").bind(id)
    }

    async fn sessions(server: &Server<Self>) -> i64 {
        let mut master = fixtures::as_master(server).await.unwrap();
        sqlx::query_scalar("SELECT COUNT(*) FROM pg_stat_activity WHERE usename = 'app'")
            .fetch_one(&mut master)
            .await
            .unwrap()
    }

    fn number(row: &Self::Row) -> i64 {
        row.get(0)
    }

    fn throttle(server: &Server<Self>, _: &Relay, count: u32) {
        server.throttle_next(count).unwrap();
    }
}
