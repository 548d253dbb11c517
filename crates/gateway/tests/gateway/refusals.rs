//! Clients that are not logged in, and the error that each of them reads.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use rds_iam_emulator_server::fixtures::{SkewedClock, until};
use rds_iam_emulator_server::on_each_engine;
use rds_iam_gateway::{Address, Limits, Tokens, Upstream};
use rds_iam_infra::Engine;
use rds_iam_roots::Roots;
use rds_iam_token::aws_credential_types::Credentials;
use rds_iam_token::aws_credential_types::provider::error::CredentialsError;
use rds_iam_token::aws_credential_types::provider::{ProvideCredentials, future};
use rds_iam_token::{Minter, TokenSource};
use sqlx::{Connection as _, Executor};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{TestEngine, both, connect, message, refusal, run, server, target, text};

on_each_engine![
    another_user_is_refused_with_the_listener_s,
    a_denied_login_is_reported_with_what_to_check,
    a_database_that_is_away_is_named,
    a_certificate_for_another_name_is_refused,
    credentials_that_ended_refuse_new_clients_with_the_cause,
    clients_beyond_the_limit_are_refused_until_one_leaves,
    what_is_no_client_ends_alone,
    a_client_that_says_nothing_is_given_up,
    a_machine_that_slept_logs_in_with_a_new_token,
    silent_connections_reach_the_database_at_the_pace_of_logins,
    a_database_that_is_killed_in_mid_result_ends_the_session,
];

async fn refused<DB: TestEngine>(address: &Address, user: &str) -> (String, String) {
    message(&refusal::<DB>(address, user, "").await)
}

async fn another_user_is_refused_with_the_listener_s<DB: TestEngine>() {
    let (server, gateway) = both::<DB>().await;
    let (code, text) = refused::<DB>(&gateway.address, "root").await;
    assert_eq!(code, "28000");
    assert!(text.contains("logs in as app here") && text.contains("named root"), "{text}");
    assert!(server.logins().unwrap().is_empty());
}

async fn a_denied_login_is_reported_with_what_to_check<DB: TestEngine>() {
    let (server, gateway) = both::<DB>().await;
    server.allow_users(["another_user"]).unwrap();
    let error = refusal::<DB>(&gateway.address, "app", "").await;
    // PostgreSQL has the help in a field of its own.
    let text = format!("{error:?} {error}");
    assert!(text.contains("rds-db:connect"), "{text}");
    assert!(!text.contains("X-Amz-Signature"), "{text}");
    server.allow_users(["app"]).unwrap();
    connect::<DB>(&gateway.address).await.unwrap();
}

async fn a_database_that_is_away_is_named<DB: TestEngine>() {
    let server = server::<DB>().await;
    let mut relay = server.relay().await.unwrap();
    let gateway = run(target(&server, relay.dial(), &SkewedClock::default())).await;
    relay.refuse_connections(true).await.unwrap();
    let (_, text) = refused::<DB>(&gateway.address, "app").await;
    assert!(text.contains(&format!("{} could not be reached", relay.dial())), "{text}");
    relay.refuse_connections(false).await.unwrap();
    connect::<DB>(&gateway.address).await.unwrap();
}

async fn a_certificate_for_another_name_is_refused<DB: TestEngine>() {
    let server = server::<DB>().await;
    let mut wrong = target(&server, server.dial(), &SkewedClock::default());
    let roots = Roots::parse(server.ca_pem().as_bytes()).unwrap();
    let name = "another.c0ffee.eu-west-1.rds.amazonaws.com:3306".parse().unwrap();
    wrong.upstream = Upstream::new(name, Some(server.dial().clone()), &roots).unwrap();
    let gateway = run(wrong).await;
    let (_, text) = refused::<DB>(&gateway.address, "app").await;
    assert!(text.contains("TLS with another.c0ffee") && text.contains("not valid for name"), "{text}");
    assert!(server.logins().unwrap().is_empty(), "no token without a verified name");
}

/// Credentials that have ended.
#[derive(Debug)]
struct Ended;

impl ProvideCredentials for Ended {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let cause = io::Error::other("the SSO session has expired");
        future::ProvideCredentials::ready(Err(CredentialsError::provider_error(cause)))
    }
}

async fn credentials_that_ended_refuse_new_clients_with_the_cause<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let server = server::<DB>().await;
    let clock = SkewedClock::default();
    let mut ending = target(&server, server.dial(), &clock);
    let (login, valid) = (rds_iam_emulator_server::fixtures::login(&server, "app"), server.credentials());
    let ended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (is_ended, time) = (std::sync::Arc::clone(&ended), clock.clone());
    ending.tokens = std::sync::Arc::new(Tokens::new(move |_| {
        let credentials = Ending { valid: valid.clone(), ended: std::sync::Arc::clone(&is_ended) };
        Ok(TokenSource::lazy(Minter::new(login.clone(), credentials, time.clock())))
    }));
    let gateway = run(ending).await;
    let mut before = connect::<DB>(&gateway.address).await.unwrap();

    ended.store(true, std::sync::atomic::Ordering::SeqCst);
    // The machine slept for twenty minutes: the token is dead, and its clock tells.
    clock.set(1_200);
    let (_, text) = refused::<DB>(&gateway.address, "app").await;
    assert!(text.contains("the SSO session has expired"), "{text}");
    assert_eq!(text_of::<DB>(&mut before).await, DB::APP, "an open session stays");

    ended.store(false, std::sync::atomic::Ordering::SeqCst);
    clock.set(0);
    connect::<DB>(&gateway.address).await.unwrap();
}

async fn text_of<DB: TestEngine>(client: &mut DB::Connection) -> String
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    text::<DB>(client, DB::CURRENT_USER).await.unwrap()
}

/// Credentials that end when `ended` is set.
#[derive(Debug)]
struct Ending {
    valid: Credentials,
    ended: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl ProvideCredentials for Ending {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        if self.ended.load(std::sync::atomic::Ordering::SeqCst) {
            return Ended.provide_credentials();
        }
        future::ProvideCredentials::ready(Ok(self.valid.clone()))
    }
}

async fn clients_beyond_the_limit_are_refused_until_one_leaves<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let server = server::<DB>().await;
    let mut small = target(&server, server.dial(), &SkewedClock::default());
    small.limits.sessions = 1;
    let gateway = run(small).await;
    let mut first = connect::<DB>(&gateway.address).await.unwrap();
    let (code, text) = refused::<DB>(&gateway.address, "app").await;
    // Before its greeting, MySQL has no SQLSTATE.
    assert!(["", "53300"].contains(&&*code) && text.contains("1 sessions open, its limit"), "{code} {text}");
    assert_eq!(text_of::<DB>(&mut first).await, DB::APP);
    first.close().await.unwrap();
    until("a session is free", async || connect::<DB>(&gateway.address).await.is_ok()).await;
}

async fn what_is_no_client_ends_alone<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (_server, gateway) = both::<DB>().await;
    let mut client = connect::<DB>(&gateway.address).await.unwrap();
    let Address::Tcp(address) = &gateway.address else { unreachable!() };
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let requests: [&[u8]; 5] = [b"", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", tls, &[0xff; 4096], &[0; 64]];
    for request in requests {
        let mut stranger = TcpStream::connect(address).await.unwrap();
        stranger.write_all(request).await.unwrap();
        stranger.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // It may be reset; what matters is that it ends.
        let ended = tokio::time::timeout(Duration::from_secs(10), stranger.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "{request:?} is not answered by an end");
        assert_eq!(text_of::<DB>(&mut client).await, DB::APP);
    }
}

async fn a_client_that_says_nothing_is_given_up<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let server = server::<DB>().await;
    let mut hasty = target(&server, server.dial(), &SkewedClock::default());
    hasty.limits = Limits { login: Duration::from_secs(2), sessions: 1, ..hasty.limits };
    let gateway = run(hasty).await;
    let Address::Tcp(address) = &gateway.address else { unreachable!() };
    // Silent, and one that stops in the middle of its first header.
    for begun in [&b""[..], &[0, 0]] {
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(begun).await.unwrap();
        let mut bytes = Vec::new();
        // MySQL's greeting, and then the end.
        drop(silent.read_to_end(&mut bytes).await);
        assert!(!String::from_utf8_lossy(&bytes).contains("X-Amz"));
        until("its slot is free", async || connect::<DB>(&gateway.address).await.is_ok()).await;
    }
}

async fn a_machine_that_slept_logs_in_with_a_new_token<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let server = server::<DB>().await;
    let clock = SkewedClock::default();
    let gateway = run(target(&server, server.dial(), &clock)).await;
    connect::<DB>(&gateway.address).await.unwrap().close().await.unwrap();
    // No timer has run meanwhile: the token in memory has ended.
    server.set_clock(1_200).unwrap();
    clock.set(1_200);
    let mut client = connect::<DB>(&gateway.address).await.unwrap();
    assert_eq!(text_of::<DB>(&mut client).await, DB::APP);
}

async fn silent_connections_reach_the_database_at_the_pace_of_logins<DB: TestEngine>() {
    let server = server::<DB>().await;
    let relay = server.relay().await.unwrap();
    let mut slow = target(&server, relay.dial(), &SkewedClock::default());
    slow.limits.logins_per_second = 1;
    let gateway = run(slow).await;
    let Address::Tcp(address) = &gateway.address else { unreachable!() };
    let started = std::time::Instant::now();
    let mut scan = Vec::new();
    for _ in 0..30 {
        scan.push(TcpStream::connect(address).await.unwrap());
    }
    if DB::ENGINE == Engine::MySql {
        // The greetings of the first two, and what those are told who would wait for longer than a third of 30 seconds.
        for client in &mut scan[..2] {
            client.read_u8().await.unwrap();
        }
        let mut told = Vec::new();
        scan[29].read_to_end(&mut told).await.unwrap();
        assert!(String::from_utf8_lossy(&told).contains("1 logins a second"), "{told:?}");
        let dialled = relay.accepted();
        assert!((2..=2 + started.elapsed().as_secs()).contains(&dialled), "{dialled} of 30");
        // Clients that have gone give up their turns.
        drop(scan);
        until("a client need not wait for them", async || connect::<DB>(&gateway.address).await.is_ok())
            .await;
        assert!(relay.accepted() < 15, "{} of 30", relay.accepted());
    } else {
        // A client of PostgreSQL speaks first.
        assert_eq!(relay.accepted(), 0);
    }
}

async fn a_database_that_is_killed_in_mid_result_ends_the_session<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (server, gateway) = both::<DB>().await;
    let mut client = connect::<DB>(&gateway.address).await.unwrap();
    let mut rows = client.fetch(sqlx::raw_sql(DB::MANY_ROWS));
    let mut next = async || poll_fn(|cx| rows.as_mut().poll_next(cx)).await;
    next().await.unwrap().unwrap();
    server.stop().await.unwrap();
    let end = loop {
        match next().await {
            Some(Ok(_)) => {}
            end => break end,
        }
    };
    assert!(matches!(end, Some(Err(_))), "a result that was cut off is reported");
    server.restart().await.unwrap();
    let mut client = connect::<DB>(&gateway.address).await.unwrap();
    assert_eq!(text_of::<DB>(&mut client).await, DB::APP);
}
