//! Test that no log line, at any level, contains a secret. It has its own program because it captures all log
//! lines.

use std::io::{self, Write};
use std::sync::{Arc, LazyLock, Mutex};

use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_server::{Kind, Server, fixtures, on_each_engine};
use rds_iam_token::sign;
use sqlx::Connection;
use tracing_subscriber::filter::LevelFilter;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

on_each_engine![
    #[tokio::test]
    nothing_secret_is_logged
];

/// The log of the program, and so of the tests of both engines.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    log
});

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

#[expect(clippy::disallowed_methods, reason = "the server's clock is the machine's")]
async fn nothing_secret_is_logged<E: Kind>() -> Result {
    let log = &*LOG;
    let server = Server::<E>::builder().database("shop").start().await?;
    let aws = AwsApi::start().await?;
    aws.put_parameter("/dev/database/dbname", "shop").await?;
    let credentials = server.credentials();
    let login = fixtures::login(&server, "app");
    let token = sign(&login, &credentials, std::time::SystemTime::now())?;
    // There is no such user; all messages about that are logged here.
    let options = fixtures::login_options(&server, "app", token.expose());
    assert!(E::Connection::connect_with(&options).await.is_err());
    server.cut_connections().await?;

    let log = String::from_utf8(log.0.lock().unwrap().clone())?;
    let started = format!("INFO rds_iam_emulator_server::server: {}", server.describe());
    assert!(log.contains(&started), "it does log:\n{log}");
    let signature = token.expose().split("X-Amz-Signature=").nth(1).unwrap();
    for secret in [
        signature,
        credentials.secret_access_key(),
        credentials.session_token().unwrap(),
        server.master().password(),
    ] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
    Ok(())
}
