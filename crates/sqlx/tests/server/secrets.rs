//! Test that no secret is in a log at any level, an error, or a `Debug`.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use rds_iam_emulator_server::fixtures::{SkewedClock, until};
use rds_iam_emulator_server::on_each_engine;
use rds_iam_sqlx::{Builder, Credential, Databases, connect};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{TestEngine, builder, quiet, target, tokens};

on_each_engine![
    #[tokio::test]
    no_secret_in_any_log_error_or_debug,
];

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Returns the log of all tests in this process.
fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).init();
        log
    })
}

async fn no_secret_in_any_log_error_or_debug<DB: TestEngine>() {
    let log = log();
    tracing::trace!("this level is taken");
    let server = DB::server().await;
    let time = SkewedClock::default();
    time.set(-60);
    let tokens = tokens(&server, &time);
    let first = tokens.token().await.unwrap();
    let pool = builder(&server, tokens.clone(), quiet()).connect().await.unwrap();
    time.set(0);
    until("an idle connection", async || pool.stats().idle == 1).await;
    let held = pool.acquire().await.unwrap();
    server.refuse_next(2).unwrap();
    let through = pool.acquire().await.unwrap_err();
    let through_sqlx = format!("{through:?} {through}");
    let refused = pool.explain(through);
    drop(held);
    let second = tokens.token().await.unwrap();
    assert!(!second.is_same(&first));
    let user = server.master().username().parse().unwrap();
    let wrong = connect::<DB>(&target(&server, server.dial()), &user, Credential::Password("hunter2-secret"))
        .await
        .err()
        .unwrap();
    pool.close().await;

    let dsn = format!("{}://app:hunter2-secret@db.example.com/shop?region=us-east-1", DB::DRIVER);
    let settings: Builder<DB> = Builder::from_dsn(&dsn).unwrap().credentials(server.credentials());
    let connection = [("DB_WRITER_DSN", dsn.as_str()), ("DB_WRITER_AWS_IAM_AUTH_ENABLED", "true")];
    let databases = Databases::from_vars(connection).unwrap().credentials(server.credentials());
    databases.get::<DB>("writer").unwrap().close().await;
    let printed = format!(
        "{settings:?} {databases:?} {pool:?} {:?} {tokens:?} {through_sqlx} {refused:?} {refused} {} {wrong:?} {:?} {:?}",
        pool.stats(),
        refused.hint(),
        Credential::Token(&first),
        Credential::Password("hunter2-secret"),
    );
    let log = log.text();
    assert!(
        log.contains("this level is taken") && log.contains("the server refused a "),
        "the log was really taken:\n{log}"
    );
    let credentials = server.credentials();
    let signature =
        |t: &rds_iam_token::Token| t.expose().rsplit_once("X-Amz-Signature=").unwrap().1.to_owned();
    let secrets = [
        credentials.secret_access_key().to_owned(),
        credentials.session_token().unwrap().to_owned(),
        signature(&first),
        signature(&second),
        server.master().password().to_owned(),
        "hunter2-secret".to_owned(),
    ];
    for (index, secret) in secrets.iter().enumerate() {
        assert!(!printed.contains(secret.as_str()), "secret {index} is in Debug or Display");
        let line = log.lines().find(|l| l.contains(secret.as_str()));
        assert!(line.is_none(), "secret {index} is in the log: {line:?}");
    }
}
