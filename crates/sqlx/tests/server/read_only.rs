//! Tests with a server that refuses writes: the pool reports it, and finds the writer without help.

use std::time::Duration;

use rds_iam_emulator_server::fixtures::{SkewedClock, until};
use rds_iam_emulator_server::{AccessKey, Relay, Server, on_each_engine, only};
use rds_iam_sqlx::{Limits, Pool};
use rds_iam_token::{Clock, Minter, TokenSource};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions};

use crate::code;
use crate::support::{TestEngine, builder, login, pool, quiet};

on_each_engine![
    #[tokio::test]
    the_pool_says_since_when_writes_are_refused_and_until_when,
    a_probe_is_enough_to_find_the_writer,
    a_write_that_was_refused_on_sqlx_s_pool_and_reported_is_enough_to_leave_the_server,
];

/// Returns the code of the error, if there is one.
async fn insert<DB: TestEngine>(pool: &Pool<DB>, id: u32) -> Option<String> {
    let sql = AssertSqlSafe(format!("INSERT INTO t VALUES ({id})"));
    let done = sqlx::raw_sql(sql).execute(pool).await;
    done.err().map(|e| code(&pool.explain(e)))
}

async fn the_pool_says_since_when_writes_are_refused_and_until_when<DB: TestEngine>() {
    let server = DB::server().await;
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet());
    assert!(!pool.is_read_only().await.unwrap());
    server.set_read_only(true).await.unwrap();
    assert!(pool.stats().read_only_since.is_none(), "nothing was written yet");
    assert_eq!(insert(&pool, 1).await.as_deref(), Some(DB::READ_ONLY));
    // On PostgreSQL, the pool checks that first.
    until("the pool knows", async || pool.stats().read_only_since.is_some()).await;
    let since = pool.stats().read_only_since.unwrap();
    assert!(pool.is_read_only().await.unwrap());
    assert_eq!(insert(&pool, 1).await.as_deref(), Some(DB::READ_ONLY));
    assert_eq!(pool.stats().read_only_since, Some(since));
    // A reader serves reads.
    let mut connection = pool.acquire().await.unwrap();
    sqlx::raw_sql("SELECT 1").execute(&mut *connection).await.unwrap();
    drop(connection);
    server.set_read_only(false).await.unwrap();
    until("the pool knows that writes are accepted", async || pool.stats().read_only_since.is_none()).await;
    assert_eq!(insert(&pool, 1).await, None);
    assert!(!pool.is_read_only().await.unwrap());
}

/// Starts two servers that accept the same keys, and a pool on an endpoint that leads to the first.
async fn two_servers<DB: TestEngine>(limits: Limits) -> (Server<DB>, Server<DB>, Relay, Pool<DB>) {
    let (old, new) = tokio::join!(DB::server(), DB::server());
    let keys = old.credentials();
    let known = AccessKey::new(keys.access_key_id(), keys.secret_access_key());
    new.enter_key(known.session_token(keys.session_token().unwrap())).unwrap();
    let relay = old.relay().await.unwrap();
    let both = [old.ca_pem(), new.ca_pem()].concat();
    let tokens = TokenSource::refresh_ahead(Minter::new(login(&old), keys, Clock::system()));
    let pool = builder(&old, tokens, limits).dial(relay.dial()).root_certificates(both);
    let pool = pool.connect().await.unwrap();
    (old, new, relay, pool)
}

/// No write is tried: a readiness probe finds out, and the pool moves to the writer.
async fn a_probe_is_enough_to_find_the_writer<DB: TestEngine>() {
    let limits = Limits::default().warm_connections(3).acquire_timeout(Duration::from_secs(20));
    let (old, new, relay, pool) = two_servers::<DB>(limits).await;
    until("three warm connections", async || pool.stats().idle == 3).await;
    old.set_read_only(true).await.unwrap();
    assert!(pool.is_read_only().await.unwrap());
    relay.lead_to(new.dial());
    until("the pool has found the writer", async || pool.stats().read_only_since.is_none()).await;
    for id in 0..10 {
        assert_eq!(insert(&pool, id).await, None);
    }
    assert!(new.logins().unwrap().iter().filter(|login| login.accepted()).count() >= 2);
}

/// The pool doesn't know which connection it was: each is asked before it is used again.
async fn a_write_that_was_refused_on_sqlx_s_pool_and_reported_is_enough_to_leave_the_server<DB>()
where
    DB: TestEngine,
    for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
{
    let (old, new, relay, pool) = two_servers::<DB>(quiet().max_connections(3)).await;
    drop([pool.acquire().await.unwrap(), pool.acquire().await.unwrap(), pool.acquire().await.unwrap()]);
    old.set_read_only(true).await.unwrap();
    relay.lead_to(new.dial());
    let refused = sqlx::raw_sql("INSERT INTO t VALUES (1)").execute(pool.sqlx()).await;
    assert_eq!(code(&pool.report(refused.err().unwrap())), DB::READ_ONLY);
    for id in 1..=10 {
        assert_eq!(insert(&pool, id).await, None);
    }
    until("no connection to the old server is left", async || DB::sessions(&old).await == 0).await;
}

only!(
    #[tokio::test]
    mysql,
    "the number of a write that a reader refuses has other causes; PostgreSQL's SQLSTATE has one other, a transaction, which postgresql.rs tests",
    [a_statement_that_another_option_bars_is_no_read_only_server]
);

/// Other options of a server also cause error 1290, which does not mean that it is read-only.
async fn a_statement_that_another_option_bars_is_no_read_only_server() {
    let mysql = <sqlx::MySql as TestEngine>::server().await;
    let pool = pool(&mysql, &SkewedClock::default(), mysql.dial(), quiet());
    let run = mysql.ca_path().parent().and_then(|tls| tls.parent()).unwrap().to_owned();
    let root = MySqlConnectOptions::new().socket(run.join("mysqld.sock")).username("root");
    let mut root = root.ssl_mode(MySqlSslMode::Disabled).connect().await.unwrap();
    // `secure_file_priv` allows no files.
    let barred = sqlx::raw_sql("SELECT 1 INTO OUTFILE 'never'").execute(&mut root).await.unwrap_err();
    let barred = pool.report(barred);
    assert_eq!(barred.number(), Some(1290), "{barred:?}");
    until("the pool knows better", async || pool.stats().read_only_since.is_none()).await;
    assert!(!pool.is_read_only().await.unwrap());
}
