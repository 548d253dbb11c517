//! The statements of tests' set-up on PostgreSQL.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Row as _};

use super::root::{Root, identifier};
use crate::error::Error;
use crate::server::Server;
use crate::server::kind::Kind as _;
use crate::server::kind::launch::{Root as _, SetUp};

/// The statements that create the example service's tables.
const APP_SCHEMA: &str = include_str!("../../../../app/schema/postgres.sql");

impl SetUp for sqlx::Postgres {
    fn login_options(server: &Server<Self>, user: &str, secret: &str) -> PgConnectOptions {
        Self::connect_options(server).username(user).password(secret)
    }

    async fn run_statements(connection: &mut PgConnection, sql: String) -> sqlx::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
    }

    async fn numbers(connection: &mut PgConnection, sql: String) -> sqlx::Result<Vec<i64>> {
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }

    fn table(_database: &str, name: &str) -> String {
        name.to_owned()
    }

    /// The superuser creates the role, so that no membership of the master in it comes about.
    async fn create_user(server: &Server<Self>, user: &str, privileges: &str) -> Result<(), Error> {
        let user = identifier(user);
        let mut sql = format!("CREATE ROLE {user} LOGIN;\nGRANT rds_iam TO {user};\n");
        // MySQL's way to name all tables of a database.
        let all_tables = privileges.strip_suffix(".*").and_then(|list| list.rsplit_once(" ON "));
        let database = match all_tables {
            Some((list, database)) => {
                let master = identifier(server.master().username());
                sql.push_str(&format!(
                    "GRANT {list} ON ALL TABLES IN SCHEMA public TO {user};\n\
                     GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {user};\n\
                     ALTER DEFAULT PRIVILEGES FOR ROLE {master} IN SCHEMA public GRANT {list} ON TABLES TO {user};\n\
                     ALTER DEFAULT PRIVILEGES FOR ROLE {master} IN SCHEMA public GRANT USAGE ON SEQUENCES TO {user};"
                ));
                database.trim_matches('"')
            }
            None => {
                sql.push_str(&format!("GRANT {privileges} TO {user};"));
                server.database()
            }
        };
        let root = Root::connect_to(&server.folder().run(), server.inner_port(), database).await;
        let mut root = root.map_err(Error::database("let the superuser in"))?;
        root.execute(sql, "create a test's user").await?;
        root.close().await;
        Ok(())
    }

    fn app_tables(_database: &str) -> Vec<String> {
        vec![APP_SCHEMA.into()]
    }
}
