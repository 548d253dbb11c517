//! The phases of opening a pool, as they are logged at debug level.

use rds_iam_sqlx::Builder;
use sqlx::MySql;

use crate::secrets::Log;
use crate::support::{DATABASE, server};

#[tokio::test]
async fn each_phase_is_logged_at_debug() {
    let mysql = server().await;
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(log.clone());
    // Of this thread, which the test's runtime does all of its work on.
    let guard = tracing::subscriber::set_default(subscriber.with_ansi(false).finish());
    let dsn = format!("mysql://app:hunter2@{}/{DATABASE}?sslmode=require", mysql.endpoint());
    let builder = Builder::<MySql>::from_dsn(&dsn).unwrap();
    let builder =
        builder.credentials(mysql.credentials()).dial(mysql.dial()).root_certificates(mysql.ca_pem());
    let pool = builder.connect().await.unwrap();
    pool.close().await;
    drop(guard);

    let log = log.text();
    let phases = [
        "read the connection string",
        "the connection string has a password, which is not used",
        "the connection string asks for less than full verification",
        "the pool's settings are valid",
        "opening the first connection",
        "signing an IAM token",
        "signed an IAM token",
        "opened the first connection",
    ];
    for phase in phases {
        let line = log.lines().find(|line| line.contains(phase));
        assert!(line.is_some(), "no line has {phase:?}:\n{log}");
        if !phase.contains("IAM token") {
            continue;
        }
        let line = line.unwrap();
        assert!(line.contains("user=app") && line.contains(&mysql.endpoint().to_string()), "{line}");
    }
    for secret in ["hunter2", "X-Amz-Signature", "length"] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}
