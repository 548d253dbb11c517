//! `TestEngine`: what tests of the service with a database server differ in between engines.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use rds_iam_app::Database;
use rds_iam_emulator_server::fixtures::{self, APP_DATABASE, APP_USER};
use rds_iam_emulator_server::{Kind, MySql, Postgres, Relay, Server};
use rds_iam_infra::Engine;
use rds_iam_sqlx::{Pool, ServerCode};
use sqlx::{ConnectOptions as _, MySqlConnection, PgConnection};

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

    async fn create_table(server: &Server<Self>);

    fn database(pool: Pool<Self>) -> Database;

    /// Connects as the master user, to the service's database.
    async fn master(server: &Server<Self>) -> Self::Connection;

    /// Runs statements as the user of the connection.
    async fn run(connection: &mut Self::Connection, sql: &'static str);

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

    async fn create_table(server: &MySql) {
        fixtures::create_app_tables(server).await.unwrap();
    }

    async fn master(server: &MySql) -> MySqlConnection {
        let mut connection = fixtures::as_master(server).await.unwrap();
        Self::run(&mut connection, "USE node_db").await;
        connection
    }

    async fn run(connection: &mut MySqlConnection, sql: &'static str) {
        sqlx::raw_sql(sql).execute(connection).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
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
        let server = Postgres::builder().database(APP_DATABASE).start().await.unwrap();
        Self::run(
            &mut Self::master(&server).await,
            "CREATE USER node_app; GRANT rds_iam TO node_app; \
             ALTER ROLE node_app SET statement_timeout = '4s'; ALTER ROLE node_app SET lock_timeout = '4s'; \
             ALTER DEFAULT PRIVILEGES IN SCHEMA public \
             GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO node_app",
        )
        .await;
        server
    }

    async fn create_table(server: &Postgres) {
        Self::run(&mut Self::master(server).await, include_str!("../../schema/postgres.sql")).await;
    }

    async fn master(server: &Postgres) -> PgConnection {
        let (master, options) = (server.master(), Self::connect_options(server));
        let options = options.username(master.username()).password(master.password()).database(APP_DATABASE);
        options.connect().await.unwrap()
    }

    async fn run(connection: &mut PgConnection, sql: &'static str) {
        sqlx::raw_sql(sql).execute(connection).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    fn database(pool: Pool<Self>) -> Database {
        pool.into()
    }

    fn throttle(server: &Postgres, _: &Relay, count: u32) {
        server.throttle_next(count).unwrap();
    }
}
