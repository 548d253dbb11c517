//! `TestEngine`: what tests of the service with a database server differ in between engines.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use rds_iam_app::Database;
use rds_iam_emulator_server::fixtures::{self, APP_USER};
use rds_iam_emulator_server::{Kind, MySql, Postgres, Relay, Server};
use rds_iam_infra::Engine;
use rds_iam_sqlx::{Pool, ServerCode};
use sqlx::{MySqlConnection, PgConnection};

/// An engine that the service supports, with its server.
pub(crate) trait TestEngine: rds_iam_sqlx::Engine + Kind {
    const ENGINE: Engine;
    /// The user of the session, as the server names it.
    const SESSION_USER: &'static str;
    /// What checks the login.
    const PLUGIN: &'static str;

    /// Returns the code of a login that the server refuses.
    fn refused() -> ServerCode;

    /// Returns a server with the service's database and user, and without the table.
    async fn bare_server() -> Server<Self>;

    fn database(pool: Pool<Self>) -> Database;

    /// Connects as the master user, to the service's database.
    async fn master(server: &Server<Self>) -> Self::Connection;

    /// Runs statements as the user of the connection.
    async fn run(connection: &mut Self::Connection, sql: &'static str) {
        let done = Self::run_statements(connection, sql.to_owned()).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Has the next `count` logins refused as too many.
    fn throttle(server: &Server<Self>, relay: &Relay, count: u32);
}

impl TestEngine for sqlx::MySql {
    const ENGINE: Engine = Engine::MySql;
    const SESSION_USER: &'static str = "node_app@%";
    const PLUGIN: &'static str = "AWSAuthenticationPlugin";

    fn refused() -> ServerCode {
        ServerCode::MySql(1045)
    }

    async fn bare_server() -> MySql {
        fixtures::app_server().await.unwrap()
    }

    async fn master(server: &MySql) -> MySqlConnection {
        let mut connection = fixtures::as_master(server).await.unwrap();
        Self::run(&mut connection, "USE node_db").await;
        connection
    }

    fn database(pool: Pool<Self>) -> Database {
        pool.into()
    }

    fn throttle(_: &MySql, relay: &Relay, count: u32) {
        relay.throttle_next(count);
    }
}

impl TestEngine for sqlx::Postgres {
    const ENGINE: Engine = Engine::Postgres;
    const SESSION_USER: &'static str = APP_USER;
    const PLUGIN: &'static str = "rds_iam";

    fn refused() -> ServerCode {
        ServerCode::from_sqlstate("28000").unwrap()
    }

    async fn bare_server() -> Postgres {
        let server: Postgres = fixtures::app_server().await.unwrap();
        // As the service's users file does.
        let limits =
            "ALTER ROLE node_app SET statement_timeout = '4s'; ALTER ROLE node_app SET lock_timeout = '4s'";
        server.as_superuser(limits).await.unwrap();
        server
    }

    async fn master(server: &Postgres) -> PgConnection {
        fixtures::as_master(server).await.unwrap()
    }

    fn database(pool: Pool<Self>) -> Database {
        pool.into()
    }

    fn throttle(server: &Postgres, _: &Relay, count: u32) {
        server.throttle_next(count).unwrap();
    }
}
