//! Tests of statements on a pool, a connection and in a transaction: each method of sqlx's executor, failures that are
//! noticed, and connections whose state is unknown.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use futures_core::Stream;
use rds_iam_emulator_server::fixtures::{SkewedClock, until};
use rds_iam_emulator_server::on_each_engine;
use rds_iam_sqlx::Pool;
use sqlx::{AssertSqlSafe, Either, Executor, FromRow, SqlStr};

use crate::support::{Requests, TestEngine, pool, quiet};

on_each_engine![
    #[tokio::test]
    a_pool_is_an_executor,
    macros_describe_a_statement,
    a_failed_statement_is_noticed_without_help,
    a_stream_that_was_not_read_to_its_end_is_tested,
    one_row_leaves_nothing_unread,
    without_a_cache_no_prepared_statement_stays_on_the_server,
    a_transaction_that_does_not_commit_is_rolled_back,
    a_failed_transaction_of_text_does_not_reach_the_next_caller,
    sqlx_s_pool_gets_the_only_connection_at_once,
    idle_connections_above_the_limit_are_closed,
    a_statement_that_is_not_answered_in_time_fails_and_its_connection_is_closed,
    ten_thousand_callers_are_served_in_order,
];

/// Returns the next item of a stream.
async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context)).await
}

/// A function of a user who knows only sqlx.
async fn count<DB: TestEngine>(executor: impl Executor<'_, Database = DB>) -> i64 {
    DB::number(&sqlx::query("SELECT COUNT(*) FROM t").fetch_one(executor).await.unwrap())
}

async fn a_pool_is_an_executor<DB: TestEngine>()
where
    for<'r> (i32,): FromRow<'r, DB::Row>,
{
    let server = DB::server().await;
    let pool = pool::<DB>(&server, &SkewedClock::default(), server.dial(), quiet().max_connections(1));
    for id in 1..=3 {
        assert_eq!(DB::changed(&DB::insert(id).execute(&pool).await.unwrap()), 1);
    }
    assert_eq!(count(&pool).await, 3);
    assert_eq!(count(&mut *pool.acquire().await.unwrap()).await, 3);
    assert_eq!(count(&mut *pool.begin().await.unwrap()).await, 3);
    let all: Vec<(i32,)> = sqlx::query_as("SELECT id FROM t ORDER BY id").fetch_all(&pool).await.unwrap();
    assert_eq!(all, [(1,), (2,), (3,)]);
    let first: i32 = sqlx::query_scalar("SELECT MIN(id) FROM t").fetch_one(&pool).await.unwrap();
    assert_eq!(first, 1);
    assert_eq!(sqlx::query("SELECT id FROM t").fetch_all(&pool).await.unwrap().len(), 3);
    let none = sqlx::query("SELECT id FROM t WHERE id = 9").fetch_optional(&pool).await.unwrap();
    assert!(none.is_none());
    let error = sqlx::query("SELECT id FROM t WHERE id = 9").fetch_one(&pool).await.err().unwrap();
    assert!(matches!(error, sqlx::Error::RowNotFound), "{error:?}");
    drop((&pool).prepare(SqlStr::from_static(DB::INSERT)).await.unwrap());

    let mut ids = Vec::new();
    let mut rows = sqlx::query("SELECT id FROM t ORDER BY id").fetch(&pool);
    while let Some(row) = next(&mut rows).await {
        ids.push(DB::id(&row.unwrap()));
    }
    drop(rows);
    assert_eq!(ids, [1, 2, 3]);

    let several = "SELECT 1; SELECT 2; INSERT INTO t SELECT 1 FROM t WHERE FALSE";
    let mut steps = (&pool).fetch_many(sqlx::raw_sql(several));
    let (mut rows, mut results) = (0, 0);
    while let Some(step) = next(&mut steps).await {
        match step.unwrap() {
            Either::Left(_) => results += 1,
            Either::Right(_) => rows += 1,
        }
    }
    drop(steps);
    assert_eq!((rows, results), (2, 3));
    assert_eq!(pool.stats().connects, 1);
}

async fn without_a_cache_no_prepared_statement_stays_on_the_server<DB: TestEngine>() {
    let server = DB::server().await;
    for (cache, first, expected) in [(0, 1, DB::PREPARED_WITHOUT_A_CACHE), (100, 11, "2")] {
        let limits = quiet().max_connections(1).statement_cache(cache);
        let pool = pool::<DB>(&server, &SkewedClock::default(), server.dial(), limits);
        for id in first..first + 3 {
            DB::insert(id).execute(&pool).await.unwrap();
        }
        sqlx::query("SELECT id FROM t").fetch_all(&pool).await.unwrap();
        let prepared = sqlx::raw_sql(DB::PREPARED).fetch_one(&pool).await.unwrap();
        assert_eq!(DB::text(&prepared), expected, "with a cache of {cache}");
    }
}

/// `query!` needs a statement's description, for which it connects by itself while it is compiled.
async fn macros_describe_a_statement<DB: TestEngine>() {
    let server = DB::server().await;
    let pool = pool::<DB>(&server, &SkewedClock::default(), server.dial(), quiet());
    let description = (&pool).describe(SqlStr::from_static("SELECT id FROM t WHERE id = 1")).await.unwrap();
    assert_eq!(description.columns().len(), 1);
}

/// After an error in a transaction, PostgreSQL refuses all but its end; the pool does not know that it has begun.
async fn a_failed_transaction_of_text_does_not_reach_the_next_caller<DB: TestEngine>() {
    let server = DB::server().await;
    let limits = quiet().max_connections(1);
    let pool = pool::<DB>(&server, &SkewedClock::default(), server.dial(), limits);
    let before = count(&pool).await;
    let mut connection = pool.acquire().await.unwrap();
    sqlx::raw_sql("BEGIN").execute(&mut *connection).await.unwrap();
    DB::insert(20).execute(&mut *connection).await.unwrap();
    for _ in 0..2 {
        assert!(sqlx::raw_sql("SELECT * FROM missing").execute(&mut *connection).await.is_err());
    }
    drop(connection);
    assert_eq!(count(&pool).await, before, "it is rolled back");
    assert_eq!(pool.stats().connects, 1, "on the same connection");
}

async fn a_failed_statement_is_noticed_without_help<DB: TestEngine>() {
    const NO_TABLE: &str = "SELECT * FROM missing";
    let server = DB::server().await;
    let pool = pool::<DB>(&server, &SkewedClock::default(), server.dial(), quiet());
    let failures = || pool.stats().failures;
    assert!(sqlx::query(NO_TABLE).execute(&pool).await.is_err());
    assert_eq!(failures().denied + failures().configuration, 1);
    assert!(sqlx::query(NO_TABLE).fetch_optional(&pool).await.is_err());
    assert!(sqlx::query(NO_TABLE).fetch_all(&pool).await.is_err());
    assert!(next(&mut sqlx::query(NO_TABLE).fetch(&pool)).await.unwrap().is_err());
    let mut connection = pool.acquire().await.unwrap();
    assert!(sqlx::query(NO_TABLE).execute(&mut *connection).await.is_err());
    let mut transaction = connection.begin().await.unwrap();
    assert!(sqlx::query(NO_TABLE).fetch_one(&mut *transaction).await.is_err());
    drop(transaction);
    drop(connection);
    assert_eq!(failures().denied + failures().configuration, 6);

    // A broken connection, noticed at each of them.
    for broken in 1..=3 {
        let mut transaction = pool.begin().await.unwrap();
        server.cut_connections().await.unwrap();
        match broken {
            1 => transaction.commit().await.unwrap_err(),
            2 => transaction.rollback().await.unwrap_err(),
            _ => transaction.ping().await.unwrap_err(),
        };
        assert_eq!(failures().unreachable, broken);
    }
    assert_eq!(count(&pool).await, 0);
}

async fn a_stream_that_was_not_read_to_its_end_is_tested<DB: TestEngine>() {
    let server = DB::server().await;
    let requests = Requests::to(&server).await;
    let pool = pool::<DB>(&server, &SkewedClock::default(), &requests.dial, quiet().max_connections(1));
    // More rows than the stream reads ahead.
    let rows: Vec<_> = (1..=100).map(|id| format!("({id})")).collect();
    let insert = format!("INSERT INTO t VALUES {}", rows.join(","));
    sqlx::query(AssertSqlSafe(insert)).execute(&pool).await.unwrap();
    for _ in 1..=5 {
        let before = requests.count();
        let mut rows = sqlx::raw_sql("SELECT id FROM t ORDER BY id").fetch(&pool);
        let row = next(&mut rows).await.unwrap().unwrap();
        assert_eq!(DB::id(&row), 1);
        drop(rows);
        // The next statement gets its own rows.
        let counted = sqlx::raw_sql("SELECT COUNT(*) FROM t").fetch_one(&pool).await.unwrap();
        assert_eq!(DB::number(&counted), 100);
        let sent = requests.count() - before;
        assert!(sent >= 3, "{sent} requests: two statements, and a test in between");
    }
}

async fn one_row_leaves_nothing_unread<DB: TestEngine>() {
    let server = DB::server().await;
    let requests = Requests::to(&server).await;
    let pool = pool::<DB>(&server, &SkewedClock::default(), &requests.dial, quiet().max_connections(1));
    assert_eq!(count(&pool).await, 0);
    let before = requests.count();
    for _ in 0..50 {
        count(&pool).await;
    }
    let sent = requests.count() - before;
    assert!((50..60).contains(&sent), "{sent} requests for 50 statements");
}

async fn a_transaction_that_does_not_commit_is_rolled_back<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let server = DB::server().await;
    let pool = pool::<DB>(&server, &SkewedClock::default(), server.dial(), quiet().max_connections(1));
    let mut transaction = pool.begin().await.unwrap();
    DB::insert(1).execute(&mut *transaction).await.unwrap();
    drop(transaction);
    assert_eq!(count(&pool).await, 0);

    let mut transaction = pool.begin().await.unwrap();
    DB::insert(1).execute(&mut *transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(count(&pool).await, 0);

    // A savepoint in it.
    let mut transaction = pool.begin().await.unwrap();
    DB::insert(1).execute(&mut *transaction).await.unwrap();
    let mut savepoint = transaction.begin().await.unwrap();
    DB::insert(2).execute(&mut *savepoint).await.unwrap();
    drop(savepoint);
    transaction.commit().await.unwrap();
    assert_eq!(count(&pool).await, 1);

    // One that was begun on sqlx's connection, and forgotten.
    let mut connection = pool.acquire().await.unwrap();
    let mut forgotten = sqlx::Connection::begin(connection.sqlx()).await.unwrap();
    DB::insert(3).execute(&mut *forgotten).await.unwrap();
    std::mem::forget(forgotten);
    drop(connection);
    assert_eq!(count(&pool).await, 1);
}

async fn sqlx_s_pool_gets_the_only_connection_at_once<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let server = DB::server().await;
    let limits = quiet().max_connections(1).acquire_timeout(Duration::from_secs(2));
    let pool = pool::<DB>(&server, &SkewedClock::default(), server.dial(), limits);
    for _ in 0..5 {
        assert_eq!(count(&pool).await, 0);
        assert_eq!(count(pool.sqlx()).await, 0);
    }
    assert_eq!(pool.stats().connects, 1);
}

async fn idle_connections_above_the_limit_are_closed<DB: TestEngine>() {
    let server = DB::server().await;
    let limits = quiet().max_connections(5).max_idle_connections(2);
    let pool = pool(&server, &SkewedClock::default(), server.dial(), limits);
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(pool.acquire().await.unwrap());
    }
    assert_eq!(pool.stats().size, 5);
    drop(held);
    until("two are left", async || (pool.stats().size, pool.stats().idle) == (2, 2)).await;
    assert_eq!(count(&pool).await, 0);
}

async fn a_statement_that_is_not_answered_in_time_fails_and_its_connection_is_closed<DB: TestEngine>() {
    let server = DB::server().await;
    let limits = quiet().max_connections(1).statement_timeout(Duration::from_millis(300));
    let pool = pool(&server, &SkewedClock::default(), server.dial(), limits);
    count(&pool).await;
    let slow = sqlx::raw_sql(AssertSqlSafe(DB::sleep(60.0))).execute(&pool).await;
    let error = pool.explain(slow.err().unwrap());
    assert_eq!(error.kind(), rds_iam_token::ErrorKind::Unreachable, "{error:?}");
    // The next statement has another connection, at once.
    assert_eq!(count(&pool).await, 0);
    assert_eq!((pool.stats().connects, pool.stats().failures.unreachable), (2, 1));
    let mut transaction = pool.begin().await.unwrap();
    let slow = sqlx::raw_sql(AssertSqlSafe(DB::sleep(60.0))).execute(&mut *transaction).await;
    assert!(slow.is_err());
    drop(transaction);
    assert_eq!(count(&pool).await, 0);
    assert_eq!(pool.stats().connects, 3);
}

async fn ten_thousand_callers_are_served_in_order<DB: TestEngine>() {
    const CALLERS: usize = 10_000;
    let server = DB::server().await;
    let limits = quiet().max_connections(10).acquire_timeout(Duration::from_secs(300));
    let pool: Pool<DB> = pool(&server, &SkewedClock::default(), server.dial(), limits);
    // All are open and in use: a caller that opens one waits for its login, while others use those that are open.
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(pool.acquire().await.unwrap());
    }
    let served = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (pool, served) = (pool.clone(), Arc::clone(&served));
        // On one thread, tasks begin in the order in which they were spawned.
        tasks.spawn(async move {
            let mut connection = pool.acquire().await.unwrap();
            let place = served.fetch_add(1, Relaxed);
            sqlx::raw_sql("SELECT 1").execute(&mut *connection).await.unwrap();
            place.abs_diff(caller)
        });
    }
    drop(held);
    let furthest = tasks.join_all().await.into_iter().max().unwrap();
    assert!(furthest < 10, "a caller was served {furthest} places from its own");
    assert_eq!(pool.stats().connects, 10);
}
