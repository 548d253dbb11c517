//! PostgreSQL's words and servers.

use rds_iam_emulator_server::fixtures;
use rds_iam_emulator_server::{Relay, Server};
use sqlx::Row as _;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use super::{DATABASE, TestEngine};

impl TestEngine for sqlx::Postgres {
    const DRIVER: &'static str = "postgres";
    const CURRENT_USER: &'static str = "SELECT current_user::text";
    const APP: &'static str = "app";
    const TLS_VERSION: &'static str = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    const DENIED: &'static str = "28000";
    const UNKNOWN_USER: &'static str = "28P01";
    const UNKNOWN_DATABASE: &'static str = "3D000";
    const READ_ONLY: &'static str = "25006";
    const INSERT: &'static str = "INSERT INTO t VALUES ($1)";
    const PREPARED_WITHOUT_A_CACHE: &'static str = "1";
    const PREPARED: &'static str = "SELECT COUNT(*)::text FROM pg_prepared_statements";
    const IAM_USER: &'static str = "rds_iam";
    const LOGINS_TO_DENY: u64 = 2;
    const COUNTS_THROTTLED: bool = false;

    async fn server() -> Server<Self> {
        let server = Server::<Self>::builder().database(DATABASE).start().await.expect("a server starts");
        let set_up = "CREATE ROLE app LOGIN; GRANT rds_iam TO app; CREATE TABLE t (id INT PRIMARY KEY); GRANT SELECT, INSERT ON t TO app";
        server.as_superuser(set_up).await.unwrap();
        server
    }

    fn throttle(server: &Server<Self>, _: &Relay, count: u32) {
        server.throttle_next(count).unwrap();
    }

    fn sleep(seconds: f64) -> String {
        format!("SELECT pg_sleep({seconds})")
    }

    async fn sessions(server: &Server<Self>) -> i64 {
        let mut session = fixtures::as_master(server).await.unwrap();
        let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE usename = 'app'";
        sqlx::query_scalar(sql).fetch_one(&mut session).await.unwrap()
    }

    fn insert(id: i32) -> Query<'static, Self, PgArguments> {
        sqlx::query(Self::INSERT).bind(id)
    }

    fn changed(result: &Self::QueryResult) -> u64 {
        result.rows_affected()
    }

    fn text(row: &Self::Row) -> String {
        row.get(0)
    }

    fn number(row: &Self::Row) -> i64 {
        row.get(0)
    }
    fn id(row: &Self::Row) -> i32 {
        row.get(0)
    }
}
