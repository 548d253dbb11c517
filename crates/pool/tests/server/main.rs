//! The pool against a real server that checks real tokens.

mod read_only;
mod secrets;
mod support;

use std::time::Duration;

use rds_iam_emulator_server::{AccessKey, MySql, RefusalCode};
use rds_iam_pool::{Credential, Limits, Pool, PoolError, Remedy, Target, connect};
use rds_iam_token::{Clock, Endpoint, Minter, TokenSource};
use sqlx::{Connection as _, Row as _};
use support::{DATABASE, Off, login, pool, quiet, server, target, until};

async fn scalar(pool: &Pool, sql: &'static str) -> Result<String, PoolError> {
    let mut connection = pool.acquire().await?;
    sqlx::query_scalar(sql).fetch_one(&mut *connection).await.map_err(|e| pool.report(e))
}

#[tokio::test]
async fn a_login_is_by_token_over_verified_tls() {
    let mysql = server().await;
    let pool = pool(&mysql, &Off::default(), mysql.dial(), quiet());
    assert_eq!(scalar(&pool, "SELECT CURRENT_USER()").await.unwrap(), "app@%");
    let mut connection = pool.acquire().await.unwrap();
    let status =
        sqlx::query("SHOW SESSION STATUS LIKE 'Ssl_version'").fetch_one(&mut *connection).await.unwrap();
    assert_eq!(status.get::<String, _>(1), "TLSv1.3");
    let logins = mysql.logins().unwrap();
    assert!(!logins.is_empty() && logins.iter().all(|l| l.accepted() && l.user == "app"), "{logins:?}");

    // sqlx would change sql_mode, for which RDS Proxy pins a session. (IGNORE_SPACE is a flag of the
    // handshake.)
    let server_mode = scalar(&pool, "SELECT @@GLOBAL.sql_mode").await.unwrap();
    let session_mode = scalar(&pool, "SELECT @@SESSION.sql_mode").await.unwrap();
    assert_eq!(session_mode.replace("IGNORE_SPACE,", ""), server_mode);
}

#[tokio::test]
async fn a_refused_cached_token_is_replaced_once() {
    let mysql = server().await;
    let time = Off::default();
    // For the server, the first token is ten minutes old from the start.
    time.by(-600);
    let pool = pool(&mysql, &time, mysql.dial(), quiet());
    drop(pool.acquire().await.unwrap());
    time.by(0);
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
    mysql.allow_users(["somebody_else"]).unwrap();
    let pool = pool(&mysql, &Off::default(), mysql.dial(), quiet());
    let error = pool.acquire().await.unwrap_err();
    assert_eq!((error.remedy(), error.number()), (Remedy::Permit, Some(1045)), "{error:?}");
    assert!(error.hint().contains("rds-db:connect"), "{}", error.hint());
    assert_eq!(mysql.logins().unwrap().len(), 1, "no second try with a token as good as the first");
    assert_eq!(pool.stats().failures.denied, 1);
}

#[tokio::test]
async fn refused_twice_is_reported() {
    let mysql = server().await;
    let time = Off::default();
    time.by(-60);
    let pool = pool(&mysql, &time, mysql.dial(), quiet());
    let held = pool.acquire().await.unwrap();
    time.by(0);
    mysql.refuse_next(5).unwrap();
    assert_eq!(pool.acquire().await.unwrap_err().remedy(), Remedy::Permit);
    assert_eq!(mysql.logins().unwrap().len(), 3, "one good login, a refusal, one try with a new token");
    drop(held);
}

#[tokio::test]
async fn throttling_backs_off_with_the_same_token() {
    let mysql = server().await;
    let relay = mysql.relay().await.unwrap();
    let pool = pool(&mysql, &Off::default(), relay.dial(), quiet());
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
    let limits = Limits { acquire_timeout: Duration::from_secs(1), ..quiet() };
    let pool = pool(&mysql, &Off::default(), relay.dial(), limits);
    relay.throttle_next(1_000);
    let error = pool.acquire().await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::BackOff, "{error:?}");
    assert!(relay.accepted() < 50, "{} connections in a second", relay.accepted());
}

#[tokio::test]
async fn killed_connections_cost_at_most_one_statement() {
    let mysql = server().await;
    let pool = pool(&mysql, &Off::default(), mysql.dial(), quiet());
    let held: Vec<_> =
        [pool.acquire().await.unwrap(), pool.acquire().await.unwrap(), pool.acquire().await.unwrap()].into();
    drop(held);
    until("three idle connections", || pool.stats().idle == 3).await;
    assert_eq!(mysql.cut_connections().await.unwrap(), 3);
    // A connection used a moment ago is trusted: the first statement meets the broken one …
    let error = scalar(&pool, "SELECT CURRENT_USER()").await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Reconnect, "{error:?}");
    // … and makes the pool suspect the others.
    for _ in 0..5 {
        assert_eq!(scalar(&pool, "SELECT CURRENT_USER()").await.unwrap(), "app@%");
    }
}

#[tokio::test]
async fn warm_connections_come_back_by_themselves() {
    let mysql = server().await;
    let relay = mysql.relay().await.unwrap();
    let limits = Limits { warm_connections: 3, ..quiet() };
    let pool = pool(&mysql, &Off::default(), relay.dial(), limits);
    until("three warm connections", || pool.stats().idle == 3).await;
    relay.cut().await;
    let error = scalar(&pool, "SELECT CURRENT_USER()").await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Reconnect, "{error:?}");
    // A connection that is on its way back while another is wanted makes one more.
    until("three new ones", || relay.open() >= 3 && pool.stats().idle >= 3).await;
    assert!(relay.accepted() >= 6, "{} in all", relay.accepted());
}

#[tokio::test]
async fn a_server_that_is_away_is_unreachable_and_then_back() {
    let mysql = server().await;
    let mut relay = mysql.relay().await.unwrap();
    relay.refuse_connections(true).await.unwrap();
    let limits = Limits { acquire_timeout: Duration::from_secs(1), ..quiet() };
    let pool = pool(&mysql, &Off::default(), relay.dial(), limits);
    let error = pool.acquire().await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Reconnect, "{error:?}");
    assert!(error.hint().contains("security groups"), "{}", error.hint());
    relay.refuse_connections(false).await.unwrap();
    assert!(pool.acquire().await.is_ok());
}

#[tokio::test]
async fn a_full_pool_says_so() {
    let mysql = server().await;
    let limits = Limits { max_connections: 1, acquire_timeout: Duration::from_millis(1500), ..quiet() };
    let pool = pool(&mysql, &Off::default(), mysql.dial(), limits);
    let held = pool.acquire().await.unwrap();
    let error = pool.acquire().await.unwrap_err();
    assert!(matches!(error, PoolError::TimedOut { in_use: 1, max: 1, .. }), "{error:?}");
    assert_eq!(error.remedy(), Remedy::BackOff, "{error:?}");
    drop(held);
    assert!(pool.acquire().await.is_ok());
}

#[tokio::test]
async fn a_server_that_cannot_prove_itself_gets_no_token() {
    let (mysql, other) = (server().await, server().await);
    // Another authority's certificate.
    let stranger = Target::new(mysql.endpoint().clone(), other.ca_pem()).dial(mysql.dial().clone());
    let error = Pool::connect(support::tokens(&mysql, &Off::default()), stranger, quiet()).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Trust, "{error:?}");

    // The right authority, but another endpoint than the certificate names.
    let elsewhere = "elsewhere.c0ffee123456.us-east-1.rds.amazonaws.com:3306".parse().unwrap();
    let elsewhere = Target::new(elsewhere, mysql.ca_pem()).dial(mysql.dial().clone());
    let tokens = support::tokens(&mysql, &Off::default());
    let error = Pool::connect(tokens, elsewhere, quiet()).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Trust, "{error:?}");
    assert!(mysql.logins().unwrap().is_empty(), "no token was sent");
}

#[tokio::test]
async fn the_address_dialled_is_not_verified() {
    let mysql = server().await;
    // The certificate names the endpoint only.
    assert_ne!(mysql.dial().host(), mysql.endpoint().host());
    let tunnel = mysql.relay().await.unwrap();
    for dial in [mysql.dial(), tunnel.dial()] {
        let pool = pool(&mysql, &Off::default(), dial, quiet());
        assert_eq!(scalar(&pool, "SELECT CURRENT_USER()").await.unwrap(), "app@%", "{dial}");
    }

    // A certificate that names the address dialled, and not the endpoint, proves nothing.
    let local: Endpoint = "127.0.0.1:3306".parse().unwrap();
    let other = MySql::builder().endpoint(local).start().await.unwrap();
    let target = Target::new(mysql.endpoint().clone(), other.ca_pem()).dial(other.dial().clone());
    let tokens = support::tokens(&mysql, &Off::default());
    let error = Pool::connect(tokens, target, quiet()).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Trust, "{error:?}");
    assert!(other.logins().unwrap().is_empty(), "no token was sent");
}

#[tokio::test]
async fn settings_that_are_wrong_are_told_from_what_is_away() {
    let mysql = server().await;
    let user = mysql.master().username().parse().unwrap();
    let password = Credential::Password(mysql.master().password());
    let error =
        connect(&target(&mysql, mysql.dial()).database("nowhere"), &user, password).await.unwrap_err();
    assert_eq!((error.remedy(), error.number()), (Remedy::Configure, Some(1049)), "{error:?}");
    assert!(error.hint().contains("does not exist"), "{}", error.hint());

    let error =
        connect(&target(&mysql, mysql.dial()), &user, Credential::Password("wrong")).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Permit, "{error:?}");

    let session = connect(&target(&mysql, mysql.dial()).database(DATABASE), &user, password).await.unwrap();
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_missing_privilege_or_table_is_not_a_login_problem() {
    let mysql = server().await;
    let pool = pool(&mysql, &Off::default(), mysql.dial(), quiet());
    for (sql, remedy) in [
        ("DELETE FROM t", Remedy::Permit),
        ("SELECT * FROM nothing_here", Remedy::Permit),
        ("SELECT syntax error", Remedy::Report),
    ] {
        let mut connection = pool.acquire().await.unwrap();
        let error = sqlx::query(sql)
            .execute(&mut *connection)
            .await
            .map(|_| ())
            .map_err(|e| pool.report(e))
            .unwrap_err();
        // A user without any right on a table is not told whether it exists; ours may read the schema.
        let accepted =
            error.remedy() == remedy || (sql.contains("nothing") && error.remedy() == Remedy::Configure);
        assert!(accepted, "{sql}: {error:?}");
    }
    assert_eq!(pool.stats().remints_after_refusal, 0);
}

#[tokio::test]
async fn tokens_follow_credentials_that_are_renewed() {
    let mysql = server().await;
    let tokens = TokenSource::lazy(Minter::new(login(&mysql), mysql.credentials(), Clock::system()));
    let first =
        Pool::connect(tokens, target(&mysql, mysql.dial()).database(DATABASE), quiet()).await.unwrap();
    until("its connection is idle", || first.stats().idle == 1).await;
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
    let second = Pool::connect(tokens, target(&mysql, mysql.dial()).database(DATABASE), quiet()).await;
    let second = second.unwrap_or_else(|e| panic!("{e:?} {:?}", mysql.logins()));
    assert_eq!(scalar(&second, "SELECT CURRENT_USER()").await.unwrap(), "app@%");
}

/// A way to the server that can fall silent: connections stay open and carry nothing.
async fn silenceable(mysql: &MySql) -> (Endpoint, tokio::sync::watch::Sender<bool>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    let silent = tokio::sync::watch::Sender::new(false);
    let (server, switch) = (mysql.dial().to_string(), silent.subscribe());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (server, mut switch) = (server.clone(), switch.clone());
            tokio::spawn(async move {
                let mut server = tokio::net::TcpStream::connect(&server).await.unwrap();
                let fell_silent = tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => false,
                    fell_silent = switch.wait_for(|silent| *silent) => fell_silent.is_ok(),
                };
                if fell_silent {
                    // It keeps both ends and carries nothing, for good.
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    (dial, silent)
}

#[tokio::test]
async fn a_server_that_falls_silent_keeps_no_place_in_the_pool() {
    let mysql = server().await;
    let (dial, silent) = silenceable(&mysql).await;
    let limits = Limits { max_connections: 2, ..quiet() };
    let pool = pool(&mysql, &Off::default(), &dial, limits);
    let (on_loan, returned) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    drop(returned);
    until("one is idle", || pool.stats().idle == 1).await;
    silent.send_replace(true);
    // One dies on its way back, the other when it is tested before use.
    drop(on_loan);
    until("the one on loan is given up", || pool.stats().size == 1).await;
    silent.send_replace(false);
    assert_eq!(scalar(&pool, "SELECT CURRENT_USER()").await.unwrap(), "app@%");
}

#[tokio::test]
async fn callers_that_give_up_leave_no_debt() {
    let mysql = server().await;
    let (dial, silent) = silenceable(&mysql).await;
    silent.send_replace(true);
    let pool = pool(&mysql, &Off::default(), &dial, Limits { max_connections: 2, ..quiet() });
    for _ in 0..500 {
        let gave_up = tokio::time::timeout(Duration::from_millis(1), pool.acquire()).await;
        assert!(gave_up.is_err());
    }
    silent.send_replace(false);
    // 500 places at 20 a second would be 25 seconds, more than an acquire waits.
    assert_eq!(scalar(&pool, "SELECT CURRENT_USER()").await.unwrap(), "app@%");
}

/// Gives credentials that end soon, once, and then nothing, as a metadata service that hangs does.
#[derive(Debug)]
struct HangsAfterTheFirst(aws_credential_types::Credentials, std::sync::atomic::AtomicBool);

impl aws_credential_types::provider::ProvideCredentials for HangsAfterTheFirst {
    fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        aws_credential_types::provider::future::ProvideCredentials::new(async {
            if self.1.swap(true, std::sync::atomic::Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            Ok(self.0.clone())
        })
    }
}

#[tokio::test]
async fn sessions_serve_although_no_token_can_be_had() {
    let mysql = server().await;
    let time = Off::default();
    let clock = Clock::new(time.clone(), aws_smithy_async::rt::sleep::TokioSleep::new());
    let provider = HangsAfterTheFirst(mysql.credentials(), false.into());
    let tokens = TokenSource::lazy(Minter::new(login(&mysql), provider, clock));
    let limits = Limits { acquire_timeout: Duration::from_secs(2), ..quiet() };
    let pool = Pool::connect(tokens, target(&mysql, mysql.dial()).database(DATABASE), limits).await.unwrap();
    until("its connection is idle", || pool.stats().idle == 1).await;
    time.by(2_000);
    let mut session = pool.acquire().await.unwrap();
    let user: String = sqlx::query_scalar("SELECT CURRENT_USER()").fetch_one(&mut *session).await.unwrap();
    assert_eq!(user, "app@%");
    // A second one needs a token, and says that this is what is missing.
    let error = pool.acquire().await.unwrap_err();
    assert!(matches!(error, PoolError::Token { .. }), "{error:?}");
}

#[tokio::test]
async fn one_connection_to_a_silent_server_is_given_up() {
    let mysql = server().await;
    let (dial, silent) = silenceable(&mysql).await;
    silent.send_replace(true);
    let user = mysql.master().username().parse().unwrap();
    let error = connect(&target(&mysql, &dial), &user, Credential::Password("any")).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Reconnect, "{error:?}");
}

/// How often the server has answered a ping (among a few other things that nobody here asks for).
async fn pings(mysql: &MySql) -> u64 {
    let user = mysql.master().username().parse().unwrap();
    let password = Credential::Password(mysql.master().password());
    let mut session = connect(&target(mysql, mysql.dial()), &user, password).await.unwrap();
    let status =
        sqlx::query("SHOW GLOBAL STATUS LIKE 'Com_admin_commands'").fetch_one(&mut session).await.unwrap();
    status.get::<String, _>(1).parse().unwrap()
}

#[tokio::test]
async fn a_released_connection_serves_the_next_caller_untested() {
    let mysql = server().await;
    let limits = Limits { max_connections: 2, ..quiet() };
    let pool = pool(&mysql, &Off::default(), mysql.dial(), limits);
    let before = pings(&mysql).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let pool = pool.clone();
        tasks.spawn(async move {
            for _ in 0..50 {
                let mut connection = pool.acquire().await.unwrap();
                sqlx::query("SELECT 1").execute(&mut *connection).await.unwrap();
                connection.release();
            }
        });
    }
    tasks.join_all().await;
    let pinged = pings(&mysql).await - before;
    assert!(pinged < 100, "{pinged} pings for 800 statements");
    assert_eq!((pool.stats().connects, pool.stats().idle), (2, 2));

    // A dropped connection is returned through sqlx, and so is one that no caller acquires for a while.
    until("sqlx has them back", || pool.sqlx().num_idle() == 2).await;
    // A killed idle connection costs one statement, like any other.
    let connection = pool.acquire().await.unwrap();
    connection.release();
    mysql.cut_connections().await.unwrap();
    let error = scalar(&pool, "SELECT CURRENT_USER()").await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Reconnect, "{error:?}");
    assert_eq!(scalar(&pool, "SELECT CURRENT_USER()").await.unwrap(), "app@%");

    let connection = pool.acquire().await.unwrap();
    let late = pool.acquire().await.unwrap();
    connection.release();
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close().await }
    });
    until("it refuses new work", || pool.sqlx().is_closed()).await;
    late.release();
    tokio::time::timeout(Duration::from_secs(20), closing).await.expect("it closes").unwrap();
    assert!(pool.acquire().await.is_err());
}

#[tokio::test]
async fn the_pool_limits_the_rate_of_new_connections() {
    let mysql = server().await;
    let relay = mysql.relay().await.unwrap();
    let limits = Limits { max_connections: 8, connects_per_second: 100, ..quiet() };
    let pool = pool(&mysql, &Off::default(), relay.dial(), limits);
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
