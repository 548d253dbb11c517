//! Tests of what PostgreSQL alone does: refusals without a reason, transactions that may only read, clusters that pause, and
//! variables of the environment. Both engines in one service.

use std::io::Write;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use rds_iam_emulator_server::fixtures::{SkewedClock, until};
use rds_iam_emulator_server::{AccessKey, Postgres};
use rds_iam_sqlx::{Credential, Databases, Error, Limits, MySqlPool, PgPool, connect, connect_confirmed};
use rds_iam_token::{Clock, Endpoint, ErrorKind, ErrorReport, Minter, TokenSource};
use sqlx::{Connection as _, Either, Executor as _, SqlStr};
use tokio::net::{TcpListener, TcpStream};

use crate::executor::next;
use crate::interrupted::interrupt;
use crate::support::{DATABASE, TestEngine, builder, login, pool, quiet, target, tokens};
use crate::{code, refused, scalar};

async fn server() -> Postgres {
    <sqlx::Postgres as TestEngine>::server().await
}

fn logins(server: &Postgres) -> usize {
    server.logins().unwrap().len()
}

#[tokio::test]
async fn a_confirmed_denial_costs_one_login() {
    let server = server().await;
    server.allow_users(["another_user"]).unwrap();
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet());
    assert_eq!(refused(&pool).await.kind(), ErrorKind::Denied);
    assert_eq!((logins(&server), pool.stats().remints_after_refusal), (2, 1));
    for attempt in 1..=3 {
        let error = refused(&pool).await;
        assert_eq!((error.kind(), code(&error).as_str()), (ErrorKind::Denied, "28000"), "{error:?}");
        assert!(error.hint().contains("GRANT rds_iam"), "{}", error.hint());
        assert_eq!(logins(&server), 2 + attempt);
    }
    let failures = pool.stats().failures;
    assert_eq!((failures.unreachable, failures.denied), (1, 4));
    // Until a login succeeds: then the next refusal is the first again.
    server.allow_users(["app"]).unwrap();
    let held = pool.acquire().await.unwrap();
    server.refuse_next(1).unwrap();
    drop(pool.acquire().await.unwrap());
    assert_eq!(pool.stats().failures.denied, 4);
    drop(held);
}

#[tokio::test]
async fn a_restarting_server_is_unreachable_not_denied() {
    let server = server().await;
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet());
    server.refuse_next(1).unwrap();
    assert_eq!(scalar(&pool, "SELECT current_user::text").await.unwrap(), "app");
    let failures = pool.stats().failures;
    assert_eq!((failures.unreachable, failures.denied), (1, 0));

    // One connection: the first refusal is unreachable, and a second attempt is made on demand.
    let (target, tokens) =
        (target(&server, server.dial()).database(DATABASE), tokens(&server, &SkewedClock::default()));
    let token = tokens.token().await.unwrap();
    server.refuse_next(1).unwrap();
    let user = "app".parse().unwrap();
    let error = connect::<sqlx::Postgres>(&target, &user, Credential::Token(&token)).await.unwrap_err();
    assert_eq!((error.kind(), code(&error).as_str()), (ErrorKind::Unreachable, "28000"), "{error:?}");
    assert!(error.hint().contains("restarts"), "{}", error.hint());
    server.refuse_next(1).unwrap();
    connect_confirmed::<sqlx::Postgres>(&target, &tokens).await.unwrap().close().await.unwrap();
    server.refuse_next(2).unwrap();
    let error = connect_confirmed::<sqlx::Postgres>(&target, &tokens).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
}

#[tokio::test]
async fn a_caller_whose_time_is_over_does_not_wait_for_the_confirmation() {
    let server = server().await;
    server.allow_users(["another_user"]).unwrap();
    let limits = quiet().acquire_timeout(Duration::from_millis(900));
    let pool = pool(&server, &SkewedClock::default(), server.dial(), limits);
    let error = refused(&pool).await;
    assert_eq!((error.kind(), code(&error).as_str()), (ErrorKind::Unreachable, "28000"), "{error:?}");
    assert_eq!(logins(&server), 1);
}

#[tokio::test]
async fn a_server_that_restarts_serves_again() {
    let server = server().await;
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet());
    assert_eq!(scalar(&pool, "SELECT current_user::text").await.unwrap(), "app");
    // The server is killed, and its user was just created.
    server.as_superuser("CHECKPOINT").await.unwrap();
    server.stop().await.unwrap();
    server.restart().await.unwrap();
    let error = scalar(&pool, "SELECT current_user::text").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert_eq!(scalar(&pool, "SELECT current_user::text").await.unwrap(), "app");
}

#[tokio::test]
async fn a_read_only_transaction_is_no_read_only_server() {
    let server = server().await;
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet());
    let mut transaction = pool.begin().await.unwrap();
    sqlx::raw_sql("SET TRANSACTION READ ONLY").execute(&mut *transaction).await.unwrap();
    let error = sqlx::raw_sql("INSERT INTO t VALUES (1)").execute(&mut *transaction).await.unwrap_err();
    let error = pool.explain(error);
    assert_eq!((error.kind(), code(&error).as_str()), (ErrorKind::ReadOnly, "25006"));
    drop(transaction);
    // The pool asks a new connection, and keeps the ones that it has.
    until("the pool has asked", async || logins(&server) == 2).await;
    sqlx::query("INSERT INTO t VALUES ($1)").bind(1).execute(&pool).await.unwrap();
    assert!(!pool.is_read_only().await.unwrap());
    assert_eq!((pool.stats().connects, pool.stats().read_only_since), (1, None));
}

#[tokio::test]
async fn a_limit_of_connections_is_reported_with_its_code() {
    let server = server().await;
    server.as_superuser("ALTER ROLE app CONNECTION LIMIT 1").await.unwrap();
    let limits = quiet().acquire_timeout(Duration::from_secs(3));
    let pool = pool(&server, &SkewedClock::default(), server.dial(), limits);
    let held = pool.acquire().await.unwrap();
    let error = refused(&pool).await;
    assert_eq!((error.kind(), code(&error).as_str()), (ErrorKind::Throttled, "53300"), "{error:?}");
    assert!(error.hint().contains("CONNECTION LIMIT"), "{}", error.hint());
    drop(held);
    server.as_superuser("ALTER ROLE app NOLOGIN").await.unwrap();
    server.cut_connections().await.unwrap();
    drop(scalar(&pool, "SELECT current_user::text").await);
    assert_eq!(refused(&pool).await.kind(), ErrorKind::Denied);
}

/// Returns an address that accepts a connection and forwards nothing for a while, as that of a paused cluster does.
async fn paused(server: &Postgres, pause: Duration) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    let (server, awake) = (server.dial().to_string(), tokio::time::Instant::now() + pause);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let server = server.clone();
            tokio::spawn(async move {
                tokio::time::sleep_until(awake).await;
                let mut server = TcpStream::connect(server).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
    dial
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_paused_cluster_is_waited_for_and_the_wait_says_so() {
    let server = server().await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let dial = paused(&server, Duration::from_secs(4)).await;
    let limits = quiet().acquire_timeout(Duration::from_secs(1)).max_connections(1);
    let pool = builder(&server, tokens(&server, &SkewedClock::default()), limits.clone());
    let pool =
        pool.dial(&dial).limits(limits.connect_timeout(Duration::from_secs(30))).connect_lazy().unwrap();
    let (opened, waited) = tokio::join!(scalar(&pool, "SELECT current_user::text"), async {
        tokio::task::yield_now().await;
        refused(&pool).await
    });
    assert_eq!(opened.unwrap(), "app");
    // The others wait no longer than before.
    assert!(matches!(waited, Error::TimedOut { saturated: true, .. }), "{waited:?}");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let said = "the database has not answered for 3 s; waiting up to 30 s (a paused Aurora cluster takes about 15 s to resume)";
    assert!(log.contains(said) && log.contains("the database answered after "), "{log}");
}

#[tokio::test]
async fn a_cluster_that_stays_paused_is_given_up_in_time() {
    let server = server().await;
    let dial = paused(&server, Duration::from_secs(600)).await;
    let limits = quiet().connect_timeout(Duration::from_secs(2));
    let error = refused(&pool(&server, &SkewedClock::default(), &dial, limits)).await;
    let Error::TimedOut { waited, saturated: false, .. } = error else { panic!("{error:?}") };
    assert_eq!(waited, Duration::from_secs(2));
}

#[tokio::test]
async fn every_variable_of_libpq_is_overridden_or_refused() {
    let server = server().await;
    let keys = server.credentials();
    let dsn = format!(
        "postgresql://app@{}/{DATABASE}?dial={}&region={}&sslrootcert={}",
        server.endpoint(),
        server.dial(),
        server.region(),
        server.ca_path().display()
    );
    let run = |variables: &[(&str, &str)]| {
        #[expect(clippy::disallowed_methods, reason = "the program under test, in an environment of its own")]
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--ignored", "--exact", "--nocapture", "only_postgres::opens_and_prints_the_session"]);
        child.env("AWS_EC2_METADATA_DISABLED", "true").env("TEST_DSN", &dsn);
        child.env("AWS_ACCESS_KEY_ID", keys.access_key_id());
        child.env("AWS_SECRET_ACCESS_KEY", keys.secret_access_key());
        child.env("AWS_SESSION_TOKEN", keys.session_token().unwrap());
        let output = child.envs(variables.iter().copied()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let overridden = [
        ("PGHOST", "elsewhere.example.com"),
        ("PGHOSTADDR", "192.0.2.1"),
        ("PGPORT", "1"),
        ("PGUSER", "postgres"),
        ("PGPASSWORD", "hunter2"),
        ("PGDATABASE", "postgres"),
        ("PGSSLMODE", "disable"),
        ("PGSSLROOTCERT", "/nonexistent"),
        ("PGAPPNAME", "another"),
        ("PGPASSFILE", "/nonexistent"),
    ];
    let text = run(&overridden);
    assert!(text.contains("session: app shop rds-iam-sqlx t"), "{text}");
    for name in ["PGOPTIONS", "PGSSLCERT", "PGSSLKEY"] {
        let text = run(&[(name, "-c work_mem=1MB")]);
        let expected = format!("refused: the pool can't be created: environment: {name} is set");
        assert!(text.contains(&expected) && !text.contains("work_mem"), "{text}");
    }
}

#[tokio::test]
#[ignore = "run by every_variable_of_libpq_is_overridden_or_refused"]
async fn opens_and_prints_the_session() {
    let dsn = std::env::var("TEST_DSN").expect("a test above runs this one");
    let pool = match PgPool::connect(&dsn).await {
        Ok(pool) => pool,
        Err(error) => return println!("refused: {}", ErrorReport(&error)),
    };
    let sql = "SELECT concat_ws(' ', current_user, current_database(), current_setting('application_name'), ssl) FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    println!("session: {}", scalar(&pool, sql).await.unwrap());
}

#[tokio::test]
async fn one_service_with_both_pools() {
    let (mysql, postgres) = tokio::join!(crate::support::server(), server());
    let text = format!(
        "database:
  default: shop
  connections:
    shop:
      driver: mysql
      dsn: \"mysql://app@{}/{DATABASE}\"
      aws_iam_auth: {{ enabled: true, region: {} }}
    reports:
      driver: postgres
      dsn: \"postgresql://app:$TOKEN@{}/{DATABASE}?sslmode=require\"
      aws_iam_auth: {{ enabled: true, region: {} }}
",
        mysql.endpoint(),
        login(&mysql).region,
        postgres.endpoint(),
        login(&postgres).region,
    );
    // One identity, which both servers accept.
    let keys = mysql.credentials();
    let known = AccessKey::new(keys.access_key_id(), keys.secret_access_key());
    postgres.enter_key(known.session_token(keys.session_token().unwrap())).unwrap();
    let databases = Databases::from_yaml(&text, "database.yaml").unwrap().credentials(keys);
    let databases = databases.root_certificates([mysql.ca_pem(), postgres.ca_pem()].concat());
    let databases = databases.dial("shop", mysql.dial()).unwrap().dial("reports", postgres.dial()).unwrap();
    databases.connect_all().await.unwrap();
    let shop: MySqlPool = databases.get_default().unwrap();
    let reports: PgPool = databases.get("reports").unwrap();
    sqlx::query("INSERT INTO t VALUES (?)").bind(7).execute(&shop).await.unwrap();
    let id: i32 = sqlx::query_scalar("SELECT id FROM t").fetch_one(&shop).await.unwrap();
    sqlx::query("INSERT INTO t VALUES ($1)").bind(id).execute(&reports).await.unwrap();
    let copied: i32 = sqlx::query_scalar("SELECT id FROM t").fetch_one(&reports).await.unwrap();
    assert_eq!(copied, 7);
    // A pool for the other engine's server says so.
    let wrong = PgPool::builder(mysql.endpoint(), "app")
        .credentials(mysql.credentials())
        .dial(mysql.dial())
        .root_certificates(mysql.ca_pem())
        .limits(Limits::default())
        .connect()
        .await
        .unwrap_err();
    assert!(
        wrong.to_string().ends_with("a MySQL server answered, and the login is for PostgreSQL"),
        "{wrong}"
    );
    assert_eq!(wrong.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn a_pool_of_postgresql_is_an_executor() {
    let server = server().await;
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet().max_connections(1));
    let insert = sqlx::query("INSERT INTO t VALUES ($1), ($2), ($3)").bind(1).bind(2).bind(3);
    assert_eq!(insert.execute(&pool).await.unwrap().rows_affected(), 3);
    let all: Vec<(i32,)> = sqlx::query_as("SELECT id FROM t ORDER BY id").fetch_all(&pool).await.unwrap();
    assert_eq!(all, [(1,), (2,), (3,)]);
    let none = sqlx::query("SELECT id FROM t WHERE id = $1").bind(9).fetch_optional(&pool).await.unwrap();
    assert!(none.is_none());
    let sql = || SqlStr::from_static("SELECT id FROM t WHERE id = $1");
    drop((&pool).prepare(sql()).await.unwrap());
    assert_eq!((&pool).describe(sql()).await.unwrap().columns().len(), 1);
    let mut steps = (&pool).fetch_many(sqlx::raw_sql("SELECT 1; SELECT 2; CREATE TEMPORARY TABLE x ()"));
    let (mut rows, mut results) = (0, 0);
    while let Some(step) = next(&mut steps).await {
        match step.unwrap() {
            Either::Left(_) => results += 1,
            Either::Right(_) => rows += 1,
        }
    }
    drop(steps);
    assert_eq!((rows, results), (2, 3));
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO t VALUES (4)").execute(&mut *transaction).await.unwrap();
    let mut savepoint = transaction.begin().await.unwrap();
    sqlx::query("INSERT INTO t VALUES (5)").execute(&mut *savepoint).await.unwrap();
    drop(savepoint);
    transaction.commit().await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM t").fetch_one(&pool).await.unwrap();
    assert_eq!((count, pool.stats().connects), (4, 1));
}

/// A value that has messages of the protocol in it, which answer the next statements with 42 changed rows.
fn forged() -> Vec<u8> {
    let messages = [&b"C\0\0\0\x10INSERT 0 42\0"[..], b"Z\0\0\0\x05I"].concat();
    messages.repeat((1 << 20) / messages.len())
}

#[tokio::test]
async fn no_part_of_a_dropped_value_is_read_as_another_answer() {
    let server = server().await;
    server.as_superuser("CREATE TABLE b (v BYTEA); GRANT SELECT, INSERT ON b TO app").await.unwrap();
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet().max_connections(1));
    sqlx::query("INSERT INTO b VALUES ($1)").bind(forged()).execute(&pool).await.unwrap();
    for pending in 0..12 {
        // By the extended protocol, values are sent as they are.
        interrupt(pending, sqlx::query("SELECT v FROM b").fetch_all(&pool)).await;
        for _ in 0..3 {
            let insert = sqlx::raw_sql("INSERT INTO t SELECT 1 FROM t WHERE FALSE");
            let changed = insert.execute(&pool).await.unwrap();
            assert_eq!(changed.rows_affected(), 0, "after {pending}");
        }
    }
}

#[tokio::test]
async fn a_token_of_60_kilobytes_gets_in() {
    let server = server().await;
    let session_token = "IQoJb3JpZ2luX2VjE+/=".repeat(46_000 / 20);
    server.enter_key(AccessKey::new("AKID60", "secret").session_token(&session_token)).unwrap();
    let keys = Credentials::new("AKID60", "secret", Some(session_token), None, "test");
    let tokens = TokenSource::lazy(Minter::new(login(&server), keys, Clock::system()));
    assert!(tokens.token().await.unwrap().expose().len() > 59_000);
    let pool = builder(&server, tokens, quiet()).connect().await.unwrap();
    assert_eq!(scalar(&pool, "SELECT current_user::text").await.unwrap(), "app");
}
