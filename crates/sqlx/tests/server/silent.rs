//! Tests of servers and credential sources that do not answer.

use std::time::Duration;

use rds_iam_emulator_server::fixtures::{SkewedClock, until};
use rds_iam_emulator_server::{Server, on_each_engine};
use rds_iam_sqlx::{Credential, Error, connect};
use rds_iam_token::{Clock, Endpoint, ErrorKind, Minter, TokenSource};

use crate::support::{TestEngine, builder, login, pool, quiet, target};
use crate::{refused, scalar};

on_each_engine![
    #[tokio::test]
    a_server_that_falls_silent_keeps_no_place_in_the_pool,
    callers_that_give_up_leave_no_debt,
    sessions_serve_although_no_token_can_be_had,
    one_connection_to_a_silent_server_is_given_up,
];

/// Returns a proxy to the server that can stop forwarding: connections stay open and transfer nothing.
async fn silenceable<DB: TestEngine>(server: &Server<DB>) -> (Endpoint, tokio::sync::watch::Sender<bool>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    let silent = tokio::sync::watch::Sender::new(false);
    let (server, switch) = (server.dial().to_string(), silent.subscribe());
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
                    // It keeps both ends and transfers nothing, forever.
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    (dial, silent)
}

async fn a_server_that_falls_silent_keeps_no_place_in_the_pool<DB: TestEngine>() {
    let server = DB::server().await;
    let (dial, silent) = silenceable(&server).await;
    let limits = quiet().max_connections(2);
    let pool = pool(&server, &SkewedClock::default(), &dial, limits);
    let (mut on_loan, returned) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    drop(returned);
    until("one is idle", async || pool.stats().idle == 1).await;
    silent.send_replace(true);
    // One dies on its way back, where it is tested since it was used by sqlx alone, the other before it is used.
    on_loan.sqlx();
    drop(on_loan);
    until("the one on loan is given up", async || pool.stats().size == 1).await;
    silent.send_replace(false);
    assert_eq!(scalar(&pool, DB::CURRENT_USER).await.unwrap(), DB::APP);
}

async fn callers_that_give_up_leave_no_debt<DB: TestEngine>() {
    let server = DB::server().await;
    let (dial, silent) = silenceable(&server).await;
    silent.send_replace(true);
    let pool = pool(&server, &SkewedClock::default(), &dial, quiet().max_connections(2));
    for _ in 0..500 {
        let gave_up = tokio::time::timeout(Duration::from_millis(1), pool.acquire()).await;
        assert!(gave_up.is_err());
    }
    silent.send_replace(false);
    // 500 connections at 20 a second would take 25 seconds, more than an acquire waits.
    assert_eq!(scalar(&pool, DB::CURRENT_USER).await.unwrap(), DB::APP);
}

/// Returns credentials that expire soon, once, and then never answers, like a metadata service that hangs.
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

async fn sessions_serve_although_no_token_can_be_had<DB: TestEngine>() {
    let server = DB::server().await;
    let time = SkewedClock::default();
    let clock = Clock::new(time.clone(), aws_smithy_async::rt::sleep::TokioSleep::new());
    let provider = HangsAfterTheFirst(server.credentials(), false.into());
    let tokens = TokenSource::lazy(Minter::new(login(&server), provider, clock));
    let limits = quiet().acquire_timeout(Duration::from_secs(2));
    let pool = builder(&server, tokens, limits).connect().await.unwrap();
    until("its connection is idle", async || pool.stats().idle == 1).await;
    time.set(2_000);
    let mut session = pool.acquire().await.unwrap();
    let row = sqlx::raw_sql(DB::CURRENT_USER).fetch_one(&mut *session).await.unwrap();
    assert_eq!(DB::text(&row), DB::APP);
    // A second one needs a token, and reports that it is missing.
    let error = refused(&pool).await;
    assert!(matches!(error, Error::Token { .. }), "{error:?}");
}

async fn one_connection_to_a_silent_server_is_given_up<DB: TestEngine>() {
    let server = DB::server().await;
    let (dial, silent) = silenceable(&server).await;
    silent.send_replace(true);
    let user = server.master().username().parse().unwrap();
    let error =
        connect::<DB>(&target(&server, &dial), &user, Credential::Password("any")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
}
