//! Tests of the program with a database that is slow or locked (statements end in the server) or read-only (the
//! service is not ready).

#[path = "common/engine.rs"]
mod engine;
#[path = "common/program.rs"]
mod program;

use std::path::Path;
use std::time::Duration;

use rds_iam_emulator_server::{Server, fixtures, on_each_engine};
use sqlx::{MySqlConnection, PgConnection};

use engine::TestEngine;
use program::{Program, ask, status};

on_each_engine![
    #[tokio::test]
    a_statement_ends_in_the_server_when_its_request_has_ended,
    a_database_that_refuses_writes_is_not_ready,
];

/// What makes the service's statements wait, by engine.
trait Slow: TestEngine {
    const LOCK: &'static str;
    const UNLOCK: &'static str;
    /// Puts a view in the table's place that takes minutes to read.
    const VIEW: &'static str;

    /// Returns the number of the service's statements that run in the server.
    async fn statements(master: &mut Self::Connection) -> i64;
}

impl Slow for sqlx::MySql {
    const LOCK: &'static str = "LOCK TABLES messages WRITE";
    const UNLOCK: &'static str = "UNLOCK TABLES";
    const VIEW: &'static str = "RENAME TABLE messages TO board; CREATE VIEW messages AS SELECT * FROM board \
                                WHERE BENCHMARK(1000000000, SHA2(message, 512)) = 0";

    async fn statements(master: &mut MySqlConnection) -> i64 {
        let count = "SELECT COUNT(*) FROM information_schema.processlist \
                     WHERE USER = 'node_app' AND COMMAND <> 'Sleep'";
        sqlx::query_scalar(count).fetch_one(master).await.unwrap()
    }
}

impl Slow for sqlx::Postgres {
    const LOCK: &'static str = "BEGIN; LOCK TABLE messages IN ACCESS EXCLUSIVE MODE";
    const UNLOCK: &'static str = "ROLLBACK";
    const VIEW: &'static str = "ALTER TABLE messages RENAME TO board; CREATE VIEW messages AS \
                                SELECT * FROM board WHERE pg_sleep(600) IS NULL";

    async fn statements(master: &mut PgConnection) -> i64 {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'node_app' AND state = 'active'";
        sqlx::query_scalar(count).fetch_one(master).await.unwrap()
    }
}

/// The time limit for a state to be reached.
const WITHIN: Duration = Duration::from_secs(20);

/// Returns a server with a message.
async fn server<DB: TestEngine>() -> Server<DB> {
    let server = DB::bare_server().await;
    fixtures::create_app_tables(&server).await.unwrap();
    DB::run(&mut DB::master(&server).await, "INSERT INTO messages (message) VALUES ('first')").await;
    server
}

/// Returns the program, with this server.
async fn program<DB: TestEngine>(server: &Server<DB>, folder: &Path) -> Program {
    let credentials = server.credentials();
    let settings = [
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id().to_owned()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key().to_owned()),
        ("AWS_SESSION_TOKEN", credentials.session_token().unwrap_or_default().to_owned()),
        ("AWS_REGION", server.region().to_string()),
        ("RDS_IAM_ENGINE", DB::ENGINE.to_string()),
        ("RDS_IAM_DB_ENDPOINT", server.endpoint().to_string()),
        ("RDS_IAM_DIAL", server.dial().to_string()),
        ("RDS_IAM_CA_BUNDLE", server.ca_path().display().to_string()),
        ("HOME", folder.display().to_string()),
    ];
    Program::start(&settings).await
}

/// Polls until `is_so`. Returns false on timeout.
async fn becomes(mut is_so: impl AsyncFnMut() -> bool) -> bool {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(WITHIN, asking).await.is_ok()
}

async fn a_statement_ends_in_the_server_when_its_request_has_ended<DB: Slow>() {
    const PAGE: &str = "GET / HTTP/1.1\r\nhost: a";
    const INSERT: &str = "POST /api/insert HTTP/1.1\r\nhost: a\r\ncontent-type: application/json";
    let folder = tempfile::tempdir().unwrap();
    let server = &server::<DB>().await;
    let master = &mut DB::master(server).await;
    let mut endless = Vec::new();
    for (case, is_prepared, before, head, body) in [
        ("an insert, the table locked", true, DB::LOCK, INSERT, r#"{"message":"third"}"#),
        (
            "an insert on a new connection, the table locked",
            false,
            DB::LOCK,
            INSERT,
            r#"{"message":"third"}"#,
        ),
        ("the page, the table locked", true, DB::LOCK, PAGE, ""),
        ("the page on a new connection, the table locked", false, DB::LOCK, PAGE, ""),
        ("the page, slow by itself", true, DB::VIEW, PAGE, ""),
    ] {
        let Program { people, .. } = &program(server, folder.path()).await;
        if is_prepared {
            assert!(ask(people, PAGE, "").await.unwrap().starts_with("HTTP/1.1 200"));
            assert!(ask(people, INSERT, r#"{"message":"a"}"#).await.unwrap().starts_with("HTTP/1.1 201"));
        }
        let mut other = DB::master(server).await;
        DB::run(&mut other, before).await;
        let asked = tokio::spawn({
            let people = people.clone();
            async move { ask(&people, head, body).await.unwrap() }
        });
        assert!(
            becomes(async || DB::statements(master).await > 0).await,
            "{case}: no statement in the server"
        );
        let answer = asked.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503"), "{case}: {answer}");
        assert!(answer.contains("\r\nretry-after: 5\r\n"), "{case}: {answer}");
        if !becomes(async || DB::statements(master).await == 0).await {
            endless.push(case);
        }
        DB::run(&mut other, DB::UNLOCK).await;
    }
    assert!(endless.is_empty(), "still in the server 20 s after the answer: {endless:?}");
}

async fn a_database_that_refuses_writes_is_not_ready<DB: TestEngine>() {
    let folder = tempfile::tempdir().unwrap();
    let server = server::<DB>().await;
    let Program { people, machines, .. } = &program(&server, folder.path()).await;
    let is_ready = async || status(machines, "/readyz").await.unwrap() == 200;
    assert!(becomes(is_ready).await, "it is not ready at first");
    server.set_read_only(true).await.unwrap();
    assert!(
        becomes(async || !is_ready().await).await,
        "/readyz is 200 for {WITHIN:?} while writes are refused"
    );
    let answer = ask(machines, "GET /readyz HTTP/1.1\r\nhost: a", "").await.unwrap();
    assert!(answer.contains(r#""ready":false"#) && answer.contains("read-only"), "{answer}");
    // Reads continue.
    assert_eq!(status(people, "/").await.unwrap(), 200);
    server.set_read_only(false).await.unwrap();
    assert!(becomes(is_ready).await, "it does not become ready again");
}
