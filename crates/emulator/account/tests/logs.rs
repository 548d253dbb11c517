//! Test that no log line, at any level, contains a secret. It has its own program because it captures all log
//! lines.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_server::{MySql, fixtures};
use rds_iam_token::sign;
use sqlx::ConnectOptions;
use tracing_subscriber::filter::LevelFilter;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the server's clock is the machine's")]
async fn nothing_secret_is_logged() -> Result {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();

    let mysql = MySql::builder().database("shop").start().await?;
    let aws = AwsApi::start().await?;
    aws.put_parameter("/dev/database/dbname", "shop").await?;
    let credentials = mysql.credentials();
    let login = fixtures::login(&mysql, "app");
    let token = sign(&login, &credentials, std::time::SystemTime::now())?;
    // There is no such user; all messages about that are logged here.
    let options = fixtures::login_options(&mysql, "app", token.expose());
    assert!(options.connect().await.is_err());
    mysql.cut_connections().await?;

    let log = String::from_utf8(log.0.lock().unwrap().clone())?;
    assert!(log.contains("INFO rds_iam_emulator_server::server: MySQL "), "it does log:\n{log}");
    let signature = token.expose().split("X-Amz-Signature=").nth(1).unwrap();
    for secret in [
        signature,
        credentials.secret_access_key(),
        credentials.session_token().unwrap(),
        mysql.master().password(),
    ] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
    Ok(())
}
