//! Tests of the pool against servers that check tokens: refused tokens, throttling, lost connections, a full pool, wrong
//! settings and privileges, and the rate of new connections. Those that are generic run on both engines.

mod away;
mod builder;
mod databases;
mod executor;
mod failures;
mod field;
mod interrupted;
mod migration;
mod postgresql;
mod read_only;
mod readme;
mod secrets;
mod silent;
mod support;
mod trust;
mod two_engines;

use std::time::Duration;

use rds_iam_emulator_server::fixtures::{SkewedClock, until};
use rds_iam_emulator_server::{AccessKey, RefusalCode, on_each_engine};
use rds_iam_sqlx::{Credential, Error, Pool, connect};
use rds_iam_token::{Clock, ErrorKind, Minter, TokenSource};
use sqlx::Connection as _;
use support::{DATABASE, Requests, TestEngine, builder, login, pool, quiet, target};

on_each_engine![
    #[tokio::test]
    a_refused_cached_token_is_replaced_once,
    a_refused_fresh_token_is_reported_at_once,
    refused_twice_is_reported,
    throttling_backs_off_with_the_same_token,
    throttling_without_end_is_reported_in_time,
    killed_connections_cost_at_most_one_statement,
    warm_connections_come_back_by_themselves,
    a_server_that_is_away_is_unreachable_and_then_back,
    a_full_pool_says_so,
    wrong_settings_are_distinguished_from_an_absent_server,
    a_missing_privilege_or_table_is_not_a_login_problem,
    tokens_follow_credentials_that_are_renewed,
    a_finished_statement_s_connection_serves_the_next_caller_untested,
    the_pool_limits_the_rate_of_new_connections,
];

async fn scalar<DB: TestEngine>(pool: &Pool<DB>, sql: &'static str) -> Result<String, Error> {
    let row = sqlx::raw_sql(sql).fetch_one(pool).await.map_err(|e| pool.explain(e))?;
    Ok(DB::text(&row))
}

/// Returns the server's code as text.
fn code(error: &Error) -> String {
    error.code().map(|code| code.to_string()).unwrap_or_default()
}

/// Returns the error of a pool that has no connection to lend.
async fn refused<DB: TestEngine>(pool: &Pool<DB>) -> Error {
    pool.explain(pool.acquire().await.unwrap_err())
}

async fn a_refused_cached_token_is_replaced_once<DB: TestEngine>() {
    let server = DB::server().await;
    let time = SkewedClock::default();
    // For the server, the first token is ten minutes old from the start.
    time.set(-600);
    let pool = pool(&server, &time, server.dial(), quiet());
    drop(pool.acquire().await.unwrap());
    time.set(0);
    // Now it has expired there, while it has five minutes left here.
    server.set_clock(305).unwrap();
    server.cut_connections().await.unwrap();
    let dead = pool.acquire().await.unwrap();
    drop(pool.report(sqlx::Error::Io(std::io::ErrorKind::BrokenPipe.into())));
    drop(dead);

    assert_eq!(scalar(&pool, DB::CURRENT_USER).await.unwrap(), DB::APP);
    let stats = pool.stats();
    assert_eq!((stats.remints_after_refusal, stats.tokens.minted), (1, 2), "{stats:?}");
    let verdicts: Vec<_> =
        server.logins().unwrap().iter().map(rds_iam_emulator_server::LoginEvent::code).collect();
    // On a slow machine the pool may test a connection first, and replace that, too.
    let expired = verdicts.iter().filter(|code| **code == Some(RefusalCode::ExpiredToken)).count();
    assert_eq!(
        (verdicts[0], verdicts[1], expired),
        (None, Some(RefusalCode::ExpiredToken), 1),
        "{verdicts:?}"
    );
}

async fn a_refused_fresh_token_is_reported_at_once<DB: TestEngine>() {
    let server = DB::server().await;
    server.allow_users(["another_user"]).unwrap();
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet());
    let error = refused(&pool).await;
    assert_eq!((error.kind(), code(&error).as_str()), (ErrorKind::Denied, DB::DENIED), "{error:?}");
    assert!(error.hint().contains("rds-db:connect"), "{}", error.hint());
    let logins = u64::try_from(server.logins().unwrap().len()).unwrap();
    assert_eq!(logins, DB::LOGINS_TO_DENY, "no further try with a token as good as the first");
    let failures = pool.stats().failures;
    assert_eq!((failures.denied, failures.unreachable), (1, logins - 1));
}

async fn refused_twice_is_reported<DB: TestEngine>() {
    let server = DB::server().await;
    let time = SkewedClock::default();
    time.set(-60);
    let pool = pool(&server, &time, server.dial(), quiet());
    let held = pool.acquire().await.unwrap();
    time.set(0);
    server.refuse_next(5).unwrap();
    assert_eq!(refused(&pool).await.kind(), ErrorKind::Denied);
    assert_eq!(server.logins().unwrap().len(), 3, "one good login, a refusal, one try with a new token");
    drop(held);
}

async fn throttling_backs_off_with_the_same_token<DB: TestEngine>() {
    let server = DB::server().await;
    let relay = server.relay().await.unwrap();
    let pool = pool(&server, &SkewedClock::default(), relay.dial(), quiet());
    DB::throttle(&server, &relay, 3);
    assert_eq!(scalar(&pool, DB::CURRENT_USER).await.unwrap(), DB::APP);
    assert_eq!(relay.accepted(), 4);
    let stats = pool.stats();
    let counted = if DB::COUNTS_THROTTLED { 3 } else { 0 };
    assert_eq!((stats.tokens.minted, stats.failures.throttled), (1, counted), "{stats:?}");
}

async fn throttling_without_end_is_reported_in_time<DB: TestEngine>() {
    let server = DB::server().await;
    let relay = server.relay().await.unwrap();
    let limits = quiet().acquire_timeout(Duration::from_secs(3));
    let pool = pool(&server, &SkewedClock::default(), relay.dial(), limits);
    DB::throttle(&server, &relay, 1_000);
    let error = refused(&pool).await;
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error:?}");
    assert!(relay.accepted() < 50, "{} connections in 3 seconds", relay.accepted());
}

async fn killed_connections_cost_at_most_one_statement<DB: TestEngine>() {
    let server = DB::server().await;
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet());
    let held: Vec<_> =
        [pool.acquire().await.unwrap(), pool.acquire().await.unwrap(), pool.acquire().await.unwrap()].into();
    drop(held);
    until("three idle connections", async || pool.stats().idle == 3).await;
    assert_eq!(server.cut_connections().await.unwrap(), 3);
    // A recently used connection is trusted: the first statement gets the broken one …
    let error = scalar(&pool, DB::CURRENT_USER).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    // … and makes the pool suspect the others.
    for _ in 0..5 {
        assert_eq!(scalar(&pool, DB::CURRENT_USER).await.unwrap(), DB::APP);
    }
}

async fn warm_connections_come_back_by_themselves<DB: TestEngine>() {
    let server = DB::server().await;
    let relay = server.relay().await.unwrap();
    let limits = quiet().warm_connections(3);
    let pool = pool(&server, &SkewedClock::default(), relay.dial(), limits);
    until("three warm connections", async || pool.stats().idle == 3).await;
    relay.cut().await;
    let error = scalar(&pool, DB::CURRENT_USER).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    // A connection that is being returned while another is requested causes one more.
    until("three new ones", async || relay.open() >= 3 && pool.stats().idle >= 3).await;
    assert!(relay.accepted() >= 6, "{} in all", relay.accepted());
}

async fn a_server_that_is_away_is_unreachable_and_then_back<DB: TestEngine>() {
    let server = DB::server().await;
    let mut relay = server.relay().await.unwrap();
    relay.refuse_connections(true).await.unwrap();
    let limits = quiet().acquire_timeout(Duration::from_secs(1));
    let pool = pool(&server, &SkewedClock::default(), relay.dial(), limits);
    let error = refused(&pool).await;
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert!(error.hint().contains("security groups"), "{}", error.hint());
    relay.refuse_connections(false).await.unwrap();
    assert!(pool.acquire().await.is_ok());
}

async fn a_full_pool_says_so<DB: TestEngine>() {
    let server = DB::server().await;
    let limits = quiet().max_connections(1).acquire_timeout(Duration::from_millis(1500));
    let pool = pool(&server, &SkewedClock::default(), server.dial(), limits);
    let held = pool.acquire().await.unwrap();
    let error = refused(&pool).await;
    assert!(matches!(error, Error::TimedOut { in_use: 1, max: 1, .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error:?}");
    drop(held);
    assert!(pool.acquire().await.is_ok());
}

async fn wrong_settings_are_distinguished_from_an_absent_server<DB: TestEngine>() {
    let server = DB::server().await;
    let user = server.master().username().parse().unwrap();
    let password = Credential::Password(server.master().password());
    let error = connect::<DB>(&target(&server, server.dial()).database("nowhere"), &user, password)
        .await
        .err()
        .unwrap();
    let expected = (ErrorKind::Configuration, DB::UNKNOWN_DATABASE);
    assert_eq!((error.kind(), code(&error).as_str()), expected, "{error:?}");
    assert!(error.hint().contains("does not exist"), "{}", error.hint());

    let error = connect::<DB>(&target(&server, server.dial()), &user, Credential::Password("wrong"))
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");

    let session =
        connect::<DB>(&target(&server, server.dial()).database(DATABASE), &user, password).await.unwrap();
    session.close().await.unwrap();
}

async fn a_missing_privilege_or_table_is_not_a_login_problem<DB: TestEngine>() {
    let server = DB::server().await;
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet());
    for (sql, kind) in [
        ("DELETE FROM t", ErrorKind::Denied),
        ("SELECT * FROM nothing_here", ErrorKind::Denied),
        ("SELECT syntax error", ErrorKind::Other),
    ] {
        let error = pool.explain(sqlx::raw_sql(sql).execute(&pool).await.err().unwrap());
        // The server does not report to a user without any privilege on a table whether it exists; ours may read the
        // schema.
        let accepted =
            error.kind() == kind || (sql.contains("nothing") && error.kind() == ErrorKind::Configuration);
        assert!(accepted, "{sql}: {error:?}");
    }
    assert_eq!(pool.stats().remints_after_refusal, 0);
}

async fn tokens_follow_credentials_that_are_renewed<DB: TestEngine>() {
    let server = DB::server().await;
    let tokens = TokenSource::lazy(Minter::new(login(&server), server.credentials(), Clock::system()));
    let first = builder(&server, tokens, quiet()).connect().await.unwrap();
    until("its connection is idle", async || first.stats().idle == 1).await;
    // The first key ends at the server; another takes its place.
    let ended = server.credentials();
    let ended = AccessKey::new(ended.access_key_id(), ended.secret_access_key())
        .session_token(ended.session_token().unwrap())
        .expires_at(1);
    server.enter_key(ended).unwrap();
    server.enter_key(AccessKey::new("AKIDNEXT", "another-made-up-secret")).unwrap();
    // The session that is there lives on.
    assert_eq!(scalar(&first, DB::CURRENT_USER).await.unwrap(), DB::APP);

    let renewed =
        aws_credential_types::Credentials::new("AKIDNEXT", "another-made-up-secret", None, None, "test");
    let tokens = TokenSource::lazy(Minter::new(login(&server), renewed, Clock::system()));
    let second = builder(&server, tokens, quiet()).connect().await;
    let second = second.unwrap_or_else(|e| panic!("{e:?} {:?}", server.logins()));
    assert_eq!(scalar(&second, DB::CURRENT_USER).await.unwrap(), DB::APP);
}

async fn a_finished_statement_s_connection_serves_the_next_caller_untested<DB: TestEngine>() {
    let server = DB::server().await;
    let requests = Requests::to(&server).await;
    let limits = quiet().max_connections(2);
    let pool = pool(&server, &SkewedClock::default(), &requests.dial, limits);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let pool = pool.clone();
        tasks.spawn(async move {
            for _ in 0..50 {
                sqlx::raw_sql("SELECT 1").execute(&pool).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    // With a test before or after each, there would be twice as many, at least.
    let sent = requests.count();
    assert!((800..900).contains(&sent), "{sent} requests for 800 statements and two logins");
    assert_eq!(pool.stats().connects, 2);
    // One that sqlx lent a second ago may be on its way back to sqlx.
    until("both are idle", async || pool.stats().idle == 2).await;

    // A connection that no caller acquires for a while is returned to sqlx.
    until("sqlx has them back", async || pool.sqlx().num_idle() == 2).await;
    // A killed idle connection costs one statement, like any other.
    let connection = pool.acquire().await.unwrap();
    drop(connection);
    server.cut_connections().await.unwrap();
    let error = scalar(&pool, DB::CURRENT_USER).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert_eq!(scalar(&pool, DB::CURRENT_USER).await.unwrap(), DB::APP);

    let connection = pool.acquire().await.unwrap();
    let late = pool.acquire().await.unwrap();
    drop(connection);
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close().await }
    });
    until("it refuses new work", async || pool.sqlx().is_closed()).await;
    drop(late);
    tokio::time::timeout(Duration::from_secs(20), closing).await.expect("it closes").unwrap();
    assert!(pool.acquire().await.is_err());
}

async fn the_pool_limits_the_rate_of_new_connections<DB: TestEngine>() {
    let server = DB::server().await;
    let relay = server.relay().await.unwrap();
    let limits = quiet().max_connections(8).connects_per_second(100);
    let pool = pool(&server, &SkewedClock::default(), relay.dial(), limits);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let pool = pool.clone();
        tasks.spawn(async move { scalar(&pool, DB::CURRENT_USER).await.map(drop) });
    }
    for done in tasks.join_all().await {
        done.unwrap();
    }
    assert!(relay.accepted() <= 8, "{} connections for 64 requests", relay.accepted());
    let stats = pool.stats();
    assert_eq!((stats.connects, stats.cached_token_connects), (relay.accepted(), relay.accepted() - 1));
}
