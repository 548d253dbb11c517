//! The statements of tests' set-up on MySQL.

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, Row as _};

use crate::error::Error;
use crate::fixtures::execute;
use crate::server::Server;
use crate::server::kind::Kind as _;
use crate::server::kind::launch::SetUp;

/// The statements that create the example service's tables.
const APP_SCHEMA: &str = include_str!("../../../../app/schema/mysql.sql");

impl SetUp for sqlx::MySql {
    fn login_options(server: &Server<Self>, user: &str, secret: &str) -> MySqlConnectOptions {
        Self::connect_options(server).enable_cleartext_plugin(true).username(user).password(secret)
    }

    async fn run_statements(connection: &mut MySqlConnection, sql: String) -> sqlx::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
    }

    async fn numbers(connection: &mut MySqlConnection, sql: String) -> sqlx::Result<Vec<i64>> {
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }

    fn table(database: &str, name: &str) -> String {
        format!("{database}.{name}")
    }

    async fn create_user(server: &Server<Self>, user: &str, privileges: &str) -> Result<(), Error> {
        let statements = [
            format!("CREATE USER '{user}'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL"),
            format!("GRANT {privileges} TO '{user}'@'%'"),
        ];
        execute(server, statements).await
    }

    fn app_tables(database: &str) -> Vec<String> {
        vec![format!("USE {database}"), APP_SCHEMA.into()]
    }
}
