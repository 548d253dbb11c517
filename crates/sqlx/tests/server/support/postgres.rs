//! PostgreSQL's words and servers.

use rds_iam_emulator_server::{Relay, Server};
use sqlx::Row as _;

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

    fn text(row: &Self::Row) -> String {
        row.get(0)
    }

    fn number(row: &Self::Row) -> i64 {
        row.get(0)
    }
}
