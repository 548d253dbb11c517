//! Tests of the pool against a MySQL server that checks tokens: refused tokens, throttling, lost connections, a
//! full pool, wrong settings and privileges, and the rate of new connections.

mod builder;
mod databases;
mod executor;
mod failures;
mod interrupted;
mod migration;
mod read_only;
mod secrets;
mod silent;
mod support;
mod trust;

use std::time::Duration;

use rds_iam_emulator_server::fixtures::{SkewedClock, until};
use rds_iam_emulator_server::{AccessKey, MySql, RefusalCode};
use rds_iam_sqlx::{Credential, Error, MySqlPool, connect};
use rds_iam_token::{Clock, ErrorKind, Minter, TokenSource};
use sqlx::{Connection as _, Row as _};
use support::{DATABASE, builder, login, pool, quiet, server, target};

async fn scalar(pool: &MySqlPool, sql: &'static str) -> Result<String, Error> {
    sqlx::query_scalar(sql).fetch_one(pool).await.map_err(|e| pool.explain(e))
}

/// Returns the error of a pool that has no connection to lend.
async fn refused(pool: &MySqlPool) -> Error {
    pool.explain(pool.acquire().await.unwrap_err())
}

#[tokio::test]
async fn a_refused_cached_token_is_replaced_once() {
    let mysql = server().await;
    let time = SkewedClock::default();
    // For the server, the first token is ten minutes old from the start.
    time.set(-600);
    let pool = pool(&mysql, &time, mysql.dial(), quiet());
    drop(pool.acquire().await.unwrap());
    time.set(0);
    // Now it has expired there, while it has five minutes left here.
    mysql.set_clock(305).unwrap();
    mysql.cut_connections().await.unwrap();
    let dead = pool.acquire().await.unwrap();
    drop(pool.report(sqlx::Error::Io(std::io::ErrorKind::BrokenPipe.into())));
    drop(dead);

    assert_eq!(scalar(&pool, "SELECT CURRENT_USER()").await.unwrap(), "app@%");
    let stats = pool.stats();
    assert_eq!((stats.remints_after_refusal, stats.tokens.minted), (1, 2), "{stats:?}");
    let verdicts: Vec<_> =
        mysql.logins().unwrap().iter().map(rds_iam_emulator_server::LoginEvent::code).collect();
    // On a slow machine the pool may test a connection first, and replace that, too.
    let expired = verdicts.iter().filter(|code| **code == Some(RefusalCode::ExpiredToken)).count();
    assert_eq!(
        (verdicts[0], verdicts[1], expired),
        (None, Some(RefusalCode::ExpiredToken), 1),
        "{verdicts:?}"
    );
}

#[tokio::test]
async fn a_refused_fresh_token_is_reported_at_once() {
    let mysql = server().await;
    mysql.allow_users(["another_user"]).unwrap();
    let pool = pool(&mysql, &SkewedClock::default(), mysql.dial(), quiet());
    let error = refused(&pool).await;
    assert_eq!((error.kind(), error.number()), (ErrorKind::Denied, Some(1045)), "{error:?}");
    assert!(error.hint().contains("rds-db:connect"), "{}", error.hint());
    assert_eq!(mysql.logins().unwrap().len(), 1, "no second try with a token as good as the first");
    assert_eq!(pool.stats().failures.denied, 1);
}

#[tokio::test]
async fn refused_twice_is_reported() {
    let mysql = server().await;
    let time = SkewedClock::default();
    time.set(-60);
    let pool = pool(&mysql, &time, mysql.dial(), quiet());
    let held = pool.acquire().await.unwrap();
    time.set(0);
    mysql.refuse_next(5).unwrap();
    assert_eq!(refused(&pool).await.kind(), ErrorKind::Denied);
    assert_eq!(mysql.logins().unwrap().len(), 3, "one good login, a refusal, one try with a new token");
    drop(held);
}

#[tokio::test]
async fn throttling_backs_off_with_the_same_token() {
    let mysql = server().await;
    let relay = mysql.relay().await.unwrap();
    let pool = pool(&mysql, &SkewedClock::default(), relay.dial(), quiet());
    relay.throttle_next(3);
    assert_eq!(scalar(&pool, "SELECT CURRENT_USER()").await.unwrap(), "app@%");
    assert_eq!(relay.accepted(), 4);
    let stats = pool.stats();
    assert_eq!((stats.tokens.minted, stats.failures.throttled), (1, 3), "{stats:?}");
}

#[tokio::test]
async fn throttling_without_end_is_reported_in_time() {
    let mysql = server().await;
    let relay = mysql.relay().await.unwrap();
    let limits = quiet().acquire_timeout(Duration::from_secs(1));
    let pool = pool(&mysql, &SkewedClock::default(), relay.dial(), limits);
    relay.throttle_next(1_000);
    let error = refused(&pool).await;
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error:?}");
    assert!(relay.accepted() < 50, "{} connections in a second", relay.accepted());
}

#[tokio::test]
async fn killed_connections_cost_at_most_one_statement() {
    let mysql = server().await;
    let pool = pool(&mysql, &SkewedClock::default(), mysql.dial(), quiet());
    let held: Vec<_> =
        [pool.acquire().await.unwrap(), pool.acquire().await.unwrap(), pool.acquire().await.unwrap()].into();
    drop(held);
    until("three idle connections", async || pool.stats().idle == 3).await;
    assert_eq!(mysql.cut_connections().await.unwrap(), 3);
    // A recently used connection is trusted: the first statement gets the broken one …
    let error = scalar(&pool, "SELECT CURRENT_USER()").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    // … and makes the pool suspect the others.
    for _ in 0..5 {
        assert_eq!(scalar(&pool, "SELECT CURRENT_USER()").await.unwrap(), "app@%");
    }
}

#[tokio::test]
async fn warm_connections_come_back_by_themselves() {
    let mysql = server().await;
    let relay = mysql.relay().await.unwrap();
    let limits = quiet().warm_connections(3);
    let pool = pool(&mysql, &SkewedClock::default(), relay.dial(), limits);
    until("three warm connections", async || pool.stats().idle == 3).await;
    relay.cut().await;
    let error = scalar(&pool, "SELECT CURRENT_USER()").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    // A connection that is being returned while another is requested causes one more.
    until("three new ones", async || relay.open() >= 3 && pool.stats().idle >= 3).await;
    assert!(relay.accepted() >= 6, "{} in all", relay.accepted());
}

#[tokio::test]
async fn a_server_that_is_away_is_unreachable_and_then_back() {
    let mysql = server().await;
    let mut relay = mysql.relay().await.unwrap();
    relay.refuse_connections(true).await.unwrap();
    let limits = quiet().acquire_timeout(Duration::from_secs(1));
    let pool = pool(&mysql, &SkewedClock::default(), relay.dial(), limits);
    let error = refused(&pool).await;
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert!(error.hint().contains("security groups"), "{}", error.hint());
    relay.refuse_connections(false).await.unwrap();
    assert!(pool.acquire().await.is_ok());
}

#[tokio::test]
async fn a_full_pool_says_so() {
    let mysql = server().await;
    let limits = quiet().max_connections(1).acquire_timeout(Duration::from_millis(1500));
    let pool = pool(&mysql, &SkewedClock::default(), mysql.dial(), limits);
    let held = pool.acquire().await.unwrap();
    let error = refused(&pool).await;
    assert!(matches!(error, Error::TimedOut { in_use: 1, max: 1, .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error:?}");
    drop(held);
    assert!(pool.acquire().await.is_ok());
}

#[tokio::test]
async fn wrong_settings_are_distinguished_from_an_absent_server() {
    let mysql = server().await;
    let user = mysql.master().username().parse().unwrap();
    let password = Credential::Password(mysql.master().password());
    let error = connect::<sqlx::MySql>(&target(&mysql, mysql.dial()).database("nowhere"), &user, password)
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.number()), (ErrorKind::Configuration, Some(1049)), "{error:?}");
    assert!(error.hint().contains("does not exist"), "{}", error.hint());

    let error = connect::<sqlx::MySql>(&target(&mysql, mysql.dial()), &user, Credential::Password("wrong"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");

    let session = connect::<sqlx::MySql>(&target(&mysql, mysql.dial()).database(DATABASE), &user, password)
        .await
        .unwrap();
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_missing_privilege_or_table_is_not_a_login_problem() {
    let mysql = server().await;
    let pool = pool(&mysql, &SkewedClock::default(), mysql.dial(), quiet());
    for (sql, kind) in [
        ("DELETE FROM t", ErrorKind::Denied),
        ("SELECT * FROM nothing_here", ErrorKind::Denied),
        ("SELECT syntax error", ErrorKind::Other),
    ] {
        let error = pool.explain(sqlx::query(sql).execute(&pool).await.unwrap_err());
        // The server does not report to a user without any privilege on a table whether it exists; ours may read the
        // schema.
        let accepted =
            error.kind() == kind || (sql.contains("nothing") && error.kind() == ErrorKind::Configuration);
        assert!(accepted, "{sql}: {error:?}");
    }
    assert_eq!(pool.stats().remints_after_refusal, 0);
}

#[tokio::test]
async fn tokens_follow_credentials_that_are_renewed() {
    let mysql = server().await;
    let tokens = TokenSource::lazy(Minter::new(login(&mysql), mysql.credentials(), Clock::system()));
    let first = builder(&mysql, tokens, quiet()).connect().await.unwrap();
    until("its connection is idle", async || first.stats().idle == 1).await;
    // The first key ends at the server; another takes its place.
    let ended = mysql.credentials();
    let ended = AccessKey::new(ended.access_key_id(), ended.secret_access_key())
        .session_token(ended.session_token().unwrap())
        .expires_at(1);
    mysql.enter_key(ended).unwrap();
    mysql.enter_key(AccessKey::new("AKIDNEXT", "another-made-up-secret")).unwrap();
    // The session that is there lives on.
    assert_eq!(scalar(&first, "SELECT CURRENT_USER()").await.unwrap(), "app@%");

    let renewed =
        aws_credential_types::Credentials::new("AKIDNEXT", "another-made-up-secret", None, None, "test");
    let tokens = TokenSource::lazy(Minter::new(login(&mysql), renewed, Clock::system()));
    let second = builder(&mysql, tokens, quiet()).connect().await;
    let second = second.unwrap_or_else(|e| panic!("{e:?} {:?}", mysql.logins()));
    assert_eq!(scalar(&second, "SELECT CURRENT_USER()").await.unwrap(), "app@%");
}

/// Returns the number of pings that the server has answered (among a few other statements, which these tests do not
/// run).
async fn pings(mysql: &MySql) -> u64 {
    let user = mysql.master().username().parse().unwrap();
    let password = Credential::Password(mysql.master().password());
    let mut session = connect::<sqlx::MySql>(&target(mysql, mysql.dial()), &user, password).await.unwrap();
    let status =
        sqlx::query("SHOW GLOBAL STATUS LIKE 'Com_admin_commands'").fetch_one(&mut session).await.unwrap();
    status.get::<String, _>(1).parse().unwrap()
}

#[tokio::test]
async fn a_finished_statement_s_connection_serves_the_next_caller_untested() {
    let mysql = server().await;
    let limits = quiet().max_connections(2);
    let pool = pool(&mysql, &SkewedClock::default(), mysql.dial(), limits);
    let before = pings(&mysql).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let pool = pool.clone();
        tasks.spawn(async move {
            for _ in 0..50 {
                sqlx::query("SELECT 1").execute(&pool).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let pinged = pings(&mysql).await - before;
    assert!(pinged < 100, "{pinged} pings for 800 statements");
    assert_eq!((pool.stats().connects, pool.stats().idle), (2, 2));

    // A connection that no caller acquires for a while is returned to sqlx.
    until("sqlx has them back", async || pool.sqlx().num_idle() == 2).await;
    // A killed idle connection costs one statement, like any other.
    let connection = pool.acquire().await.unwrap();
    drop(connection);
    mysql.cut_connections().await.unwrap();
    let error = scalar(&pool, "SELECT CURRENT_USER()").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert_eq!(scalar(&pool, "SELECT CURRENT_USER()").await.unwrap(), "app@%");

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

#[tokio::test]
async fn the_pool_limits_the_rate_of_new_connections() {
    let mysql = server().await;
    let relay = mysql.relay().await.unwrap();
    let limits = quiet().max_connections(8).connects_per_second(100);
    let pool = pool(&mysql, &SkewedClock::default(), relay.dial(), limits);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let pool = pool.clone();
        tasks.spawn(async move { scalar(&pool, "SELECT CURRENT_USER()").await.map(drop) });
    }
    for done in tasks.join_all().await {
        done.unwrap();
    }
    assert!(relay.accepted() <= 8, "{} connections for 64 requests", relay.accepted());
    let stats = pool.stats();
    assert_eq!((stats.connects, stats.cached_token_connects), (relay.accepted(), relay.accepted() - 1));
}
