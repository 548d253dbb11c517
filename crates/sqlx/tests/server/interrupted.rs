//! Tests of statements that were interrupted: dropped while the server answers, not answered in time, or refused by the
//! driver. No later caller gets a part of their answers, or is in their transaction.

use std::task::Poll;
use std::time::Duration;

use rds_iam_emulator_server::fixtures::{self, SkewedClock};
use rds_iam_emulator_server::{MySql, Postgres, Server, on_each_engine};
use rds_iam_sqlx::{ErrorKind, Pool};
use sqlx::AssertSqlSafe;
use sqlx::mysql::MySqlArguments;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use tokio::time::{Instant, timeout};

use crate::support::{TestEngine, builder, pool, quiet};

on_each_engine![
    #[tokio::test]
    a_begin_that_is_dropped_before_its_answer_leaves_no_transaction,
    no_part_of_a_dropped_answer_is_read_as_another,
    a_statement_without_its_parameters_does_not_block_the_pool,
    a_transaction_with_a_statement_that_timed_out_does_not_commit,
    a_slow_reader_is_not_a_statement_that_is_not_answered,
    closing_waits_for_statements_and_ends,
    a_closed_pool_refuses_new_work_at_once,
    connections_dropped_outside_a_runtime_are_replaced,
];

async fn count<DB: TestEngine>(pool: &Pool<DB>) -> i64 {
    DB::number(&sqlx::raw_sql("SELECT COUNT(*) FROM t").fetch_one(pool).await.unwrap())
}

/// Polls a future until it has been pending more than `times` times, and drops it.
async fn interrupt<F: Future>(times: usize, future: F) {
    let (mut future, mut left) = (Box::pin(future), times);
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Pending if left > 0 => {
            left -= 1;
            Poll::Pending
        }
        _ => Poll::Ready(()),
    })
    .await;
}

async fn a_begin_that_is_dropped_before_its_answer_leaves_no_transaction<DB: TestEngine>() {
    let server = DB::server().await;
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet().max_connections(1));
    drop(pool.acquire().await.unwrap());
    for pending in 0..3 {
        interrupt(pending, pool.begin()).await;
        let insert = AssertSqlSafe(format!("INSERT INTO t VALUES ({pending})"));
        sqlx::raw_sql(insert).execute(&pool).await.unwrap();
    }
    let mut connection = pool.acquire().await.unwrap();
    interrupt(0, sqlx::raw_sql("BEGIN").execute(&mut *connection)).await;
    drop(connection);
    sqlx::raw_sql("INSERT INTO t VALUES (9)").execute(&pool).await.unwrap();
    // In another session.
    let other = builder(&server, pool.tokens().clone(), quiet()).connect().await.unwrap();
    assert_eq!(count(&other).await, 4);
}

/// An engine, with a value that has messages of its protocol in it, which answer the next statements with 42 changed rows.
trait Forged: TestEngine {
    fn forged() -> Vec<u8>;

    /// Creates the table `b (v)` for such values.
    async fn create_table(server: &Server<Self>);

    fn insert_value(value: Vec<u8>) -> Query<'static, Self, Self::Arguments>;
}

impl Forged for sqlx::MySql {
    fn forged() -> Vec<u8> {
        // In the text protocol, the length before it reads as the head of a packet of 253 bytes.
        let mut value = vec![b' '; 253];
        // The end of the rows, or the answer to a ping.
        value.extend([7, 0, 0, 1, 0xfe, 0, 0, 2, 0, 0, 0]);
        while value.len() < 1 << 20 {
            value.extend([7, 0, 0, 1, 0, 42, 0, 2, 0, 0, 0]);
        }
        value.truncate(1 << 20);
        value
    }

    async fn create_table(server: &MySql) {
        fixtures::execute(server, ["CREATE TABLE shop.b (v LONGBLOB)"]).await.unwrap();
    }

    fn insert_value(value: Vec<u8>) -> Query<'static, Self, MySqlArguments> {
        sqlx::query("INSERT INTO b VALUES (?)").bind(value)
    }
}

impl Forged for sqlx::Postgres {
    fn forged() -> Vec<u8> {
        let messages = [&b"C\0\0\0\x10INSERT 0 42\0"[..], b"Z\0\0\0\x05I"].concat();
        messages.repeat((1 << 20) / messages.len())
    }

    async fn create_table(server: &Postgres) {
        server.as_superuser("CREATE TABLE b (v BYTEA); GRANT SELECT, INSERT ON b TO app").await.unwrap();
    }

    fn insert_value(value: Vec<u8>) -> Query<'static, Self, PgArguments> {
        sqlx::query("INSERT INTO b VALUES ($1)").bind(value)
    }
}

async fn no_part_of_a_dropped_answer_is_read_as_another<DB: Forged>() {
    let server = DB::server().await;
    DB::create_table(&server).await;
    let pool = pool::<DB>(&server, &SkewedClock::default(), server.dial(), quiet().max_connections(1));
    DB::insert_value(DB::forged()).execute(&pool).await.unwrap();
    // PostgreSQL sends values as they are by the extended protocol alone.
    for (pending, is_extended) in (0..12).flat_map(|pending| [(pending, false), (pending, true)]) {
        if is_extended {
            interrupt(pending, sqlx::query("SELECT v FROM b").fetch_all(&pool)).await;
        } else {
            interrupt(pending, sqlx::raw_sql("SELECT v FROM b").fetch_all(&pool)).await;
        }
        for _ in 0..3 {
            let insert = sqlx::raw_sql("INSERT INTO t SELECT 1 FROM t WHERE FALSE");
            let changed = DB::changed(&insert.execute(&pool).await.unwrap());
            assert_eq!(changed, 0, "after {pending}, extended: {is_extended}");
        }
    }
}

async fn a_statement_without_its_parameters_does_not_block_the_pool<DB: TestEngine>() {
    let server = DB::server().await;
    let pool = pool::<DB>(&server, &SkewedClock::default(), server.dial(), quiet().max_connections(1));
    assert!(sqlx::query(DB::INSERT).execute(&pool).await.is_err());
    let started = Instant::now();
    DB::insert(1).execute(&pool).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

async fn a_transaction_with_a_statement_that_timed_out_does_not_commit<DB: TestEngine>() {
    let server = DB::server().await;
    let limits = quiet().max_connections(1).statement_timeout(Duration::from_millis(500));
    let pool = pool(&server, &SkewedClock::default(), server.dial(), limits);
    let mut transaction = pool.begin().await.unwrap();
    sqlx::raw_sql("INSERT INTO t VALUES (1)").execute(&mut *transaction).await.unwrap();
    let slow = sqlx::raw_sql(AssertSqlSafe(DB::sleep(0.8))).execute(&mut *transaction).await;
    assert_eq!(pool.explain(slow.err().unwrap()).kind(), ErrorKind::Unreachable);
    let error = transaction.commit().await.unwrap_err();
    assert_eq!(pool.explain(error).kind(), ErrorKind::Unreachable);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(count(&pool).await, 0);
}

async fn a_slow_reader_is_not_a_statement_that_is_not_answered<DB: TestEngine>() {
    let server = DB::server().await;
    let limits = quiet().max_connections(1).statement_timeout(Duration::from_millis(300));
    let pool = pool(&server, &SkewedClock::default(), server.dial(), limits);
    sqlx::raw_sql("INSERT INTO t VALUES (1), (2), (3)").execute(&pool).await.unwrap();
    let mut rows = sqlx::raw_sql("SELECT id FROM t").fetch(&pool);
    let mut read = 0;
    while let Some(row) = std::future::poll_fn(|context| rows.as_mut().poll_next(context)).await {
        row.unwrap();
        read += 1;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(read, 3);
}

async fn closing_waits_for_statements_and_ends<DB: TestEngine>() {
    let server = DB::server().await;
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet().max_connections(3));
    let running = tokio::spawn({
        let pool = pool.clone();
        async move { sqlx::raw_sql(AssertSqlSafe(DB::sleep(0.5))).execute(&pool).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    interrupt(0, sqlx::raw_sql(AssertSqlSafe(DB::sleep(0.1))).execute(&pool)).await;
    timeout(Duration::from_secs(8), pool.close()).await.unwrap();
    running.await.unwrap().unwrap();
    let error = sqlx::raw_sql("SELECT 1").execute(&pool).await.err().unwrap();
    assert!(matches!(error, sqlx::Error::PoolClosed), "{error:?}");
}

async fn a_closed_pool_refuses_new_work_at_once<DB: TestEngine>() {
    let server = DB::server().await;
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet().max_connections(1));
    let held = pool.acquire().await.unwrap();
    let acquire = || {
        let pool = pool.clone();
        tokio::spawn(async move { pool.acquire().await })
    };
    let before = acquire();
    tokio::task::yield_now().await;
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close().await }
    });
    tokio::task::yield_now().await;
    for waiting in [before, acquire()] {
        let refused = timeout(Duration::from_secs(2), waiting).await.expect("at once").unwrap();
        assert!(matches!(refused, Err(sqlx::Error::PoolClosed)), "{refused:?}");
    }
    drop(held);
    timeout(Duration::from_secs(8), closing).await.unwrap().unwrap();
}

async fn connections_dropped_outside_a_runtime_are_replaced<DB: TestEngine>() {
    let server = DB::server().await;
    let limits = quiet().max_connections(1).acquire_timeout(Duration::from_secs(3));
    let pool = pool(&server, &SkewedClock::default(), server.dial(), limits);
    for interrupted in [false, true] {
        let mut connection = pool.acquire().await.unwrap();
        if interrupted {
            interrupt(0, connection.ping()).await;
        } else {
            let missing = sqlx::raw_sql("SELECT * FROM missing").execute(&mut *connection).await;
            assert!(missing.is_err());
        }
        std::thread::spawn(move || drop(connection)).join().unwrap();
        sqlx::raw_sql("SELECT 1").execute(&pool).await.unwrap();
    }
    assert_eq!(pool.stats().connects, 3);
}
