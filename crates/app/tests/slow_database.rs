//! Tests of the program with a database that is slow or locked (statements end in the server) or read-only (the
//! service is not ready).

#[path = "common/program.rs"]
mod program;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use rds_iam_emulator_server::{MySql, fixtures};
use sqlx::MySqlConnection;

use program::{Program, ask, status};

/// The time limit for a state to be reached.
const WITHIN: Duration = Duration::from_secs(20);

async fn execute(connection: &mut MySqlConnection, statements: &[&'static str]) {
    for sql in statements {
        sqlx::raw_sql(*sql).execute(&mut *connection).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// Returns a server with a message.
async fn server() -> MySql {
    let mysql = fixtures::app_server().await.unwrap();
    fixtures::create_app_tables(&mysql).await.unwrap();
    let message = "INSERT INTO node_db.messages (message) VALUES ('first')";
    fixtures::execute(&mysql, [message]).await.unwrap();
    mysql
}

/// Returns the program, with this server.
async fn program(mysql: &MySql, folder: &Path) -> Program {
    let credentials = mysql.credentials();
    let settings = [
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id().to_owned()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key().to_owned()),
        ("AWS_SESSION_TOKEN", credentials.session_token().unwrap_or_default().to_owned()),
        ("AWS_REGION", mysql.region().to_string()),
        ("RDS_IAM_DB_ENDPOINT", mysql.endpoint().to_string()),
        ("RDS_IAM_DIAL", mysql.dial().to_string()),
        ("RDS_IAM_CA_BUNDLE", mysql.ca_path().display().to_string()),
        ("HOME", folder.display().to_string()),
    ];
    Program::start(&settings).await
}

/// Polls until `is_so`. Returns false on timeout.
async fn becomes<F: Future<Output = bool>>(mut is_so: impl FnMut() -> F) -> bool {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(WITHIN, asking).await.is_ok()
}

/// Returns the number of the service's statements that run in the server.
async fn statements(mysql: &MySql) -> i64 {
    let count = "SELECT COUNT(*) FROM information_schema.processlist \
                 WHERE USER = 'node_app' AND COMMAND <> 'Sleep'";
    sqlx::query_scalar(count).fetch_one(&mut fixtures::as_master(mysql).await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_statement_ends_in_the_server_when_its_request_has_ended() {
    const PAGE: &str = "GET / HTTP/1.1\r\nhost: a";
    const INSERT: &str = "POST /api/insert HTTP/1.1\r\nhost: a\r\ncontent-type: application/json";
    let folder = tempfile::tempdir().unwrap();
    let mysql = &server().await;
    let table = ["LOCK TABLES messages WRITE"];
    let slow = [
        "RENAME TABLE messages TO board",
        "CREATE VIEW messages AS SELECT * FROM board WHERE BENCHMARK(1000000000, SHA2(message, 512)) = 0",
    ];
    let mut endless = Vec::new();
    for (case, is_prepared, before, head, body) in [
        ("an insert, the table locked", true, &table[..], INSERT, r#"{"message":"third"}"#),
        ("an insert on a new connection, the table locked", false, &table, INSERT, r#"{"message":"third"}"#),
        ("the page, the table locked", true, &table, PAGE, ""),
        ("the page on a new connection, the table locked", false, &table, PAGE, ""),
        ("the page, slow by itself", true, &slow, PAGE, ""),
    ] {
        let Program { people, .. } = &program(mysql, folder.path()).await;
        if is_prepared {
            assert!(ask(people, PAGE, "").await.unwrap().starts_with("HTTP/1.1 200"));
            assert!(ask(people, INSERT, r#"{"message":"a"}"#).await.unwrap().starts_with("HTTP/1.1 201"));
        }
        let mut other = fixtures::as_master(mysql).await.unwrap();
        execute(&mut other, &["USE node_db"]).await;
        execute(&mut other, before).await;
        let asked = tokio::spawn({
            let people = people.clone();
            async move { ask(&people, head, body).await.unwrap() }
        });
        assert!(becomes(async || statements(mysql).await > 0).await, "{case}: no statement in the server");
        let answer = asked.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503"), "{case}: {answer}");
        assert!(answer.contains("\r\nretry-after: 5\r\n"), "{case}: {answer}");
        if !becomes(async || statements(mysql).await == 0).await {
            endless.push(case);
        }
        execute(&mut other, &["UNLOCK TABLES"]).await;
    }
    assert!(endless.is_empty(), "still in the server 20 s after the answer: {endless:?}");
}

#[tokio::test]
async fn a_database_that_refuses_writes_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let mysql = server().await;
    let Program { people, machines, .. } = &program(&mysql, folder.path()).await;
    let is_ready = async || status(machines, "/readyz").await.unwrap() == 200;
    assert!(becomes(is_ready).await, "it is not ready at first");
    mysql.set_read_only(true).await.unwrap();
    assert!(
        becomes(async || !is_ready().await).await,
        "/readyz is 200 for {WITHIN:?} while writes are refused"
    );
    let answer = ask(machines, "GET /readyz HTTP/1.1\r\nhost: a", "").await.unwrap();
    assert!(answer.contains(r#""ready":false"#) && answer.contains("read-only"), "{answer}");
    // Reads continue.
    assert_eq!(status(people, "/").await.unwrap(), 200);
    mysql.set_read_only(false).await.unwrap();
    assert!(becomes(is_ready).await, "it does not become ready again");
}
