//! MySQL's words and servers.

use rds_iam_emulator_server::fixtures;
use rds_iam_emulator_server::{Relay, Server};
use sqlx::Row as _;

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

    fn text(row: &Self::Row) -> String {
        row.get(0)
    }

    fn number(row: &Self::Row) -> i64 {
        row.get(0)
    }
}
