//! MySQL's words and servers.

use rds_iam_emulator_server::fixtures;
use rds_iam_emulator_server::{Relay, Server};
use sqlx::Row as _;
use sqlx::mysql::MySqlArguments;
use sqlx::query::Query;

use super::{DATABASE, TestEngine};

impl TestEngine for sqlx::MySql {
    const DRIVER: &'static str = "mysql";
    const CURRENT_USER: &'static str = "SELECT CURRENT_USER()";
    const APP: &'static str = "app@%";
    const TLS_VERSION: &'static str =
        "SELECT VARIABLE_VALUE FROM performance_schema.session_status WHERE VARIABLE_NAME = 'Ssl_version'";
    const DENIED: &'static str = "1045";
    const UNKNOWN_USER: &'static str = "1045";
    const UNKNOWN_DATABASE: &'static str = "1049";
    const READ_ONLY: &'static str = "1290";
    const INSERT: &'static str = "INSERT INTO t VALUES (?)";
    const PREPARED_WITHOUT_A_CACHE: &'static str = "0";
    const PREPARED: &'static str = "SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Prepared_stmt_count'";
    const IAM_USER: &'static str = "AWSAuthenticationPlugin";
    const LOGINS_TO_DENY: u64 = 1;
    const COUNTS_THROTTLED: bool = true;

    async fn server() -> Server<Self> {
        let server = Server::<Self>::builder().database(DATABASE).start().await.expect("a server starts");
        fixtures::create_user(&server, "app", "SELECT, INSERT ON shop.*").await.unwrap();
        fixtures::execute(&server, ["CREATE TABLE shop.t (id INT PRIMARY KEY)"]).await.unwrap();
        server
    }

    fn throttle(_: &Server<Self>, relay: &Relay, count: u32) {
        relay.throttle_next(count);
    }

    fn sleep(seconds: f64) -> String {
        format!("DO SLEEP({seconds})")
    }

    async fn sessions(server: &Server<Self>) -> i64 {
        let mut session = fixtures::as_master(server).await.unwrap();
        let sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app'";
        sqlx::query_scalar(sql).fetch_one(&mut session).await.unwrap()
    }

    fn insert(id: i32) -> Query<'static, Self, MySqlArguments> {
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
