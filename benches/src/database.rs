//! `Database`: starts a database server with the app's user, its table and a page of messages, and returns the
//! environment variables with which the app connects to it. `Engine` has what differs between MySQL and PostgreSQL.

use std::path::PathBuf;

use rds_iam_emulator_server::{Kind, OptionsOf, Server, fixtures};
use rds_iam_sqlx::Pool;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use tempfile::TempDir;

pub(crate) const DATABASE: &str = fixtures::APP_DATABASE;
pub(crate) const USER: &str = fixtures::APP_USER;

/// The number of messages on a page.
pub(crate) const MESSAGES: usize = 10;

/// An engine that is measured.
pub(crate) trait Engine: Kind + rds_iam_sqlx::Engine {
    const ENGINE: rds_iam_infra::Engine;

    /// The end of the names of the engine's figures.
    const SUFFIX: &'static str;

    /// The database, or the schema of it, that the table is in.
    const SCHEMA: &'static str;

    /// Returns the options of sqlx's own connections, which log in by token and verify the address that they dial.
    fn sqlx_options(server: &Server<Self>, token: &str) -> OptionsOf<Self>;

    /// Runs `SELECT 1` on a connection of the pool.
    async fn select_on_pool(pool: &Pool<Self>) -> sqlx::Result<()>;

    /// Runs `SELECT 1` on a connection of sqlx.
    async fn select(connection: &mut Self::Connection) -> sqlx::Result<()>;

    /// Returns the engine's name of a figure.
    fn figure(name: &str) -> String {
        format!("{name}{}", Self::SUFFIX)
    }
}

impl Engine for sqlx::MySql {
    const ENGINE: rds_iam_infra::Engine = rds_iam_infra::Engine::MySql;
    const SUFFIX: &'static str = "";
    const SCHEMA: &'static str = DATABASE;

    fn sqlx_options(server: &Server<Self>, token: &str) -> MySqlConnectOptions {
        fixtures::login_options(server, USER, token).ssl_mode(MySqlSslMode::VerifyIdentity).database(DATABASE)
    }

    async fn select_on_pool(pool: &Pool<Self>) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").fetch_one(pool).await.map(drop)
    }

    async fn select(connection: &mut MySqlConnection) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").fetch_one(connection).await.map(drop)
    }
}

impl Engine for sqlx::Postgres {
    const ENGINE: rds_iam_infra::Engine = rds_iam_infra::Engine::Postgres;
    const SUFFIX: &'static str = ", postgres";
    const SCHEMA: &'static str = "public";

    fn sqlx_options(server: &Server<Self>, token: &str) -> PgConnectOptions {
        fixtures::login_options(server, USER, token).ssl_mode(PgSslMode::VerifyFull)
    }

    async fn select_on_pool(pool: &Pool<Self>) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").fetch_one(pool).await.map(drop)
    }

    async fn select(connection: &mut PgConnection) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").fetch_one(connection).await.map(drop)
    }
}

/// The database server with the app's user, its table and a page of messages. Its certificate names the server's address
/// too, because sqlx verifies the address that it dials.
pub(crate) struct Database<E: Engine> {
    pub(crate) server: Server<E>,
    /// The file of the app's AWS credentials.
    credentials: PathBuf,
    _folder: TempDir,
}

impl<E: Engine> Database<E> {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let address = "127.0.0.1";
        let server = Server::<E>::builder().database(DATABASE).certificate_name(address).start().await?;
        fixtures::create_user(&server, USER, &format!("SELECT, INSERT, UPDATE, DELETE ON {DATABASE}.*"))
            .await?;
        fixtures::create_app_tables(&server).await?;
        let table = format!("{}.messages", E::SCHEMA);
        let message = format!("INSERT INTO {table} (message) VALUES ('A message of the usual length.')");
        fixtures::execute(&server, vec![message; MESSAGES]).await?;
        let folder = tempfile::Builder::new().prefix("rds-iam-bench-").tempdir()?;
        let credentials = folder.path().join("credentials");
        server.write_credentials_file(&credentials)?;
        Ok(Self { server, credentials, _folder: folder })
    }

    /// Returns the app's settings, all in the environment, so that it sends requests to the database only.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let server = &self.server;
        vec![
            ("AWS_REGION", server.region().to_string()),
            ("AWS_SHARED_CREDENTIALS_FILE", self.credentials.display().to_string()),
            ("RDS_IAM_ENGINE", E::ENGINE.to_string()),
            ("RDS_IAM_DB_ENDPOINT", server.endpoint().to_string()),
            ("RDS_IAM_DB_NAME", DATABASE.into()),
            ("RDS_IAM_DB_USER", USER.into()),
            ("RDS_IAM_DIAL", server.dial().to_string()),
            ("RDS_IAM_CA_BUNDLE", server.ca_path().display().to_string()),
            ("RDS_IAM_BIND", "127.0.0.1".into()),
            ("PORT", "0".into()),
            ("RDS_IAM_MANAGEMENT_PORT", "0".into()),
            ("RDS_IAM_LOG", "json".into()),
        ]
    }
}
