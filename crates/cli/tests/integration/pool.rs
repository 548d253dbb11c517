//! The tests of rds-iam-sqlx's pools with the database of `RDS_IAM_URL`, which `rds-iam connect` sets: a real one on
//! GitHub, and one of the emulator in `workflow.rs`. They create nothing: a user without any privilege is enough.

use std::collections::BTreeSet;
use std::env;
use std::time::Duration;

use rds_iam_sqlx::{Builder, Dsn, Engine, Error, ErrorKind, Limits, Pool};
use sqlx::{MySql, Postgres, Row as _};

/// Registers tests for each engine. Of these, a filter selects those of the database's engine.
macro_rules! with_a_database {
    ($($test:ident),* $(,)?) => {
        mod mysql {
            $(
                #[tokio::test(flavor = "multi_thread")]
                #[ignore = "needs the database of RDS_IAM_URL, to which rds-iam connect leads"]
                async fn $test() {
                    super::$test::<sqlx::MySql>().await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                #[ignore = "needs the database of RDS_IAM_URL, to which rds-iam connect leads"]
                async fn $test() {
                    super::$test::<sqlx::Postgres>().await;
                }
            )*
        }
    };
}

with_a_database![
    the_pool_logs_in_as_the_user_of_the_string,
    a_session_is_encrypted,
    sessions_are_open_at_the_same_time,
    a_session_that_was_ended_is_replaced,
    another_user_is_refused,
];

/// The number of tests of each engine.
pub(crate) const TESTS: usize = 5;

/// The longest wait for a connection: a paused cluster resumes in this time.
const RESUMED_WITHIN: Duration = Duration::from_secs(40);

/// The words of an engine.
trait TestEngine: Engine {
    const CURRENT_USER: &'static str;
    const TLS_VERSION: &'static str;
    /// The query of the session's number.
    const SESSION: &'static str;
    /// The statement that ends its own session.
    const END_SESSION: &'static str;

    /// Returns the first column.
    fn text(row: &Self::Row) -> String;
}

impl TestEngine for MySql {
    const CURRENT_USER: &'static str = "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)";
    const TLS_VERSION: &'static str =
        "SELECT VARIABLE_VALUE FROM performance_schema.session_status WHERE VARIABLE_NAME = 'Ssl_version'";
    const SESSION: &'static str = "SELECT CAST(CONNECTION_ID() AS CHAR)";
    const END_SESSION: &'static str = "KILL CONNECTION_ID()";

    fn text(row: &Self::Row) -> String {
        row.get(0)
    }
}

impl TestEngine for Postgres {
    const CURRENT_USER: &'static str = "SELECT current_user::text";
    const TLS_VERSION: &'static str = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    const SESSION: &'static str = "SELECT pg_backend_pid()::text";
    const END_SESSION: &'static str = "SELECT pg_terminate_backend(pg_backend_pid())";

    fn text(row: &Self::Row) -> String {
        row.get(0)
    }
}

fn url() -> String {
    env::var("RDS_IAM_URL")
        .expect("RDS_IAM_URL is not set: run this program with rds-iam connect TARGET --via i-… -- PROGRAM")
}

fn user() -> String {
    let dsn: Dsn = url().parse().unwrap();
    dsn.user.expect("RDS_IAM_URL has a user").to_string()
}

fn builder<DB: Engine>() -> Builder<DB> {
    let limits = Limits::default().connect_timeout(RESUMED_WITHIN).acquire_timeout(RESUMED_WITHIN);
    Builder::from_dsn(&url()).unwrap().limits(limits)
}

async fn open<DB: Engine>() -> Pool<DB> {
    builder().connect().await.unwrap()
}

async fn scalar<DB: TestEngine>(pool: &Pool<DB>, sql: &'static str) -> Result<String, Error> {
    let row = sqlx::raw_sql(sql).fetch_one(pool).await.map_err(|error| pool.explain(error))?;
    Ok(DB::text(&row))
}

async fn the_pool_logs_in_as_the_user_of_the_string<DB: TestEngine>() {
    let pool = open::<DB>().await;
    assert_eq!(scalar(&pool, DB::CURRENT_USER).await.unwrap(), user());
    pool.close().await;
}

async fn a_session_is_encrypted<DB: TestEngine>() {
    let pool = open::<DB>().await;
    let version = scalar(&pool, DB::TLS_VERSION).await.unwrap();
    assert!(["TLSv1.2", "TLSv1.3"].contains(&version.as_str()), "{version}");
}

async fn sessions_are_open_at_the_same_time<DB: TestEngine>() {
    const SESSIONS: usize = 5;
    let pool = open::<DB>().await;
    let mut held = Vec::new();
    for _ in 0..SESSIONS {
        held.push(pool.acquire().await.unwrap());
    }
    let mut sessions = BTreeSet::new();
    for connection in &mut held {
        let row = sqlx::raw_sql(DB::SESSION).fetch_one(&mut **connection).await.unwrap();
        sessions.insert(DB::text(&row));
    }
    assert_eq!(sessions.len(), SESSIONS, "{sessions:?}");
}

async fn a_session_that_was_ended_is_replaced<DB: TestEngine>() {
    let pool = open::<DB>().await;
    let mut connection = pool.acquire().await.unwrap();
    let ended = sqlx::raw_sql(DB::SESSION).fetch_one(&mut *connection).await.unwrap();
    assert!(sqlx::raw_sql(DB::END_SESSION).execute(&mut *connection).await.is_err());
    drop(connection);
    let later = scalar(&pool, DB::SESSION).await.unwrap();
    assert_ne!(later, DB::text(&ended));
}

/// The policy is for one user.
async fn another_user_is_refused<DB: TestEngine>() {
    let error = builder::<DB>().user("another_user").connect().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
}
