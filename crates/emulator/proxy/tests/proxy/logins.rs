//! Who is logged in, and what the others are told.

use std::time::Duration;

use rds_iam_emulator_proxy::{Backend, Proxy, Secret};
use rds_iam_emulator_server::fixtures::{self, until};
use rds_iam_emulator_server::{LoginEvent, RefusalCode, on_each_engine, only};
use sqlx::{ConnectOptions as _, Connection as _, Executor};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{TestEngine, both, connect, message, pool, server, settings, text, token};

on_each_engine![
    a_client_is_logged_in_by_its_token_and_the_proxy_by_another,
    the_certificate_is_for_the_proxy_s_own_name,
    a_refused_token_is_denied_and_the_reason_is_recorded,
    a_client_without_tls_is_refused,
    too_many_logins_are_told_so,
    a_secret_logs_in_for_a_client_with_a_token,
    bytes_that_are_no_login_end_their_connection_alone,
    a_client_that_stops_in_its_login_is_given_up,
];

only!(postgres, "MySQL's clients have no such parameter", [startup_options_are_refused]);
only!(mysql, "PostgreSQL has no number beside it", [too_many_logins_have_mysql_s_sqlstate]);

async fn startup_options_are_refused() {
    let (server, proxy) = both::<sqlx::Postgres>().await;
    let token = token(&server, &proxy, "app").await;
    let client = sqlx::Postgres::client(&proxy, "app", token.expose(), true);
    let refused = client.options([("statement_timeout", "1000")]).connect().await;
    assert_eq!(message(refused).0, "0A000");
}

async fn a_client_is_logged_in_by_its_token_and_the_proxy_by_another<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (server, proxy) = both::<DB>().await;
    let mut client = connect(&server, &proxy).await.unwrap();
    assert_eq!(text::<DB>(&mut client, DB::CURRENT_USER).await.unwrap(), DB::APP);
    client.close().await.unwrap();

    let (at_proxy, at_server) = (proxy.logins().unwrap(), server.logins().unwrap());
    assert!(at_proxy.len() == 1 && at_proxy[0].accepted(), "{at_proxy:?}");
    assert!(at_server.len() == 1 && at_server[0].accepted(), "{at_server:?}");
    assert_eq!(at_proxy[0].access_key_id.as_deref(), Some(&*server.key().id));
    assert_ne!(at_server[0].access_key_id, at_proxy[0].access_key_id, "the proxy signs with its own key");
}

async fn the_certificate_is_for_the_proxy_s_own_name<DB: TestEngine>() {
    let (server, proxy) = both::<DB>().await;
    // A pool verifies name and authority.
    let first = pool(&server, &proxy).await;
    first.close().await;
    let of_another = rds_iam_sqlx::Pool::<DB>::builder(server.endpoint(), "app")
        .credentials(server.credentials())
        .dial(proxy.dial())
        .root_certificates(proxy.ca_pem())
        .connect()
        .await;
    let error = of_another.unwrap_err();
    assert!(error.to_string().contains("TLS") || format!("{error:?}").contains("Tls"), "{error:?}");
}

async fn a_refused_token_is_denied_and_the_reason_is_recorded<DB: TestEngine>() {
    let (server, proxy) = both::<DB>().await;
    let good = token(&server, &proxy, "app").await.expose().to_owned();
    let for_server = fixtures::tokens(&server, "app").token().await.unwrap().expose().to_owned();
    let of_another = token(&server, &proxy, "another").await.expose().to_owned();
    let long = format!("{good}{}", "x".repeat(100_000));
    let bad = [for_server.as_str(), &of_another, &good[..good.len() - 1], &long, "a password", ""];
    for secret in bad {
        let refused = DB::client(&proxy, "app", secret, true).connect().await;
        let (code, text) = message(refused);
        assert_eq!((&*code, &*text), DB::DENIED);
    }
    proxy.set_clock(901).unwrap();
    assert_eq!(message(connect(&server, &proxy).await).1, DB::DENIED.1);
    proxy.set_clock(0).unwrap();
    proxy.enter_key(server.key().clone().users(["another"])).unwrap();
    assert_eq!(message(connect(&server, &proxy).await).1, DB::DENIED.1);

    let codes: Vec<_> = proxy.logins().unwrap().iter().filter_map(LoginEvent::code).collect();
    let mut expected = vec![RefusalCode::InvalidToken; bad.len()];
    expected.extend([RefusalCode::ExpiredToken, RefusalCode::NotAuthorized]);
    assert_eq!(codes, expected);
    assert!(
        proxy.logins().unwrap()[0].reason().unwrap().contains("for the endpoint"),
        "{:?}",
        proxy.logins()
    );
    assert_eq!(server.logins().unwrap(), [], "none of them reached the database");
}

async fn a_client_without_tls_is_refused<DB: TestEngine>() {
    let (_server, proxy) = both::<DB>().await;
    let refused = DB::client(&proxy, "app", "", false).connect().await;
    assert_eq!(message(refused).1, DB::NO_TLS);
}

async fn too_many_logins_are_told_so<DB: TestEngine>() {
    let (server, proxy) = both::<DB>().await;
    proxy.throttle_next(1).unwrap();
    assert_eq!(message(connect(&server, &proxy).await).1, DB::THROTTLED);
    connect(&server, &proxy).await.unwrap().close().await.unwrap();
}

/// The SQLSTATE of ER_CON_COUNT_ERROR in MySQL's reference, from the proxy as from the relay that answers in its place.
async fn too_many_logins_have_mysql_s_sqlstate() {
    let (server, proxy) = both::<sqlx::MySql>().await;
    proxy.throttle_next(1).unwrap();
    let by_proxy = connect(&server, &proxy).await;
    let relay = server.relay().await.unwrap();
    relay.throttle_next(1);
    let by_relay = fixtures::login_options(&server, "app", "").port(relay.dial().port()).connect().await;
    for refused in [by_proxy, by_relay] {
        let sqlx::Error::Database(error) = refused.unwrap_err() else { panic!("no error of a server") };
        let number = error.downcast_ref::<sqlx::mysql::MySqlDatabaseError>().number();
        let shown = (number, error.code(), error.message());
        assert_eq!(shown, (1040, Some("08004".into()), sqlx::MySql::THROTTLED));
    }
}

async fn a_secret_logs_in_for_a_client_with_a_token<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let server = server::<DB>().await;
    fixtures::execute(&server, DB::PASSWORD_USER.iter().copied()).await.unwrap();
    let mut settings = settings(&server);
    settings.backend = Backend::Secrets(vec![Secret::new("old", "a password")]);
    let proxy = Proxy::start(settings).await.unwrap();
    for _ in 0..2 {
        let token = token(&server, &proxy, "old").await;
        let mut client = DB::client(&proxy, "old", token.expose(), true).connect().await.unwrap();
        assert_eq!(text::<DB>(&mut client, DB::CURRENT_USER).await.unwrap(), DB::APP.replace("app", "old"));
        // Not in order: the next client needs a login of its own.
        drop(client);
    }
    assert_eq!(server.logins().unwrap(), [], "no token was used at the database");
    // The secret itself opens nothing, and a user without one is not logged in.
    let by_password = DB::client(&proxy, "old", "a password", true).connect().await;
    assert!(message(by_password).1.contains("old"));
    let (_, text) = message(connect(&server, &proxy).await);
    assert!(text.contains("no credentials for the role app") || text == DB::DENIED.1, "{text}");
}

async fn bytes_that_are_no_login_end_their_connection_alone<DB: TestEngine>() {
    let (server, proxy) = both::<DB>().await;
    let open = async || TcpStream::connect(proxy.dial().to_string()).await.unwrap();
    // A port scan, a client that says nothing, and one that stops in its first packet.
    drop(open().await);
    let silent = open().await;
    let mut stopped = open().await;
    stopped.write_all(&[0]).await.unwrap();
    let garbage: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &[0xff; 4096], &[0; 64], &[0x16, 3, 1, 2, 0, 1, 0, 1]];
    for bytes in garbage {
        let mut client = open().await;
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        // An error in the engine's protocol, or nothing; then the end.
        let end = tokio::time::timeout(Duration::from_secs(30), client.read_to_end(&mut Vec::new())).await;
        end.expect("the connection ends").ok();
    }
    connect(&server, &proxy).await.unwrap().close().await.unwrap();
    drop((silent, stopped));
}

async fn a_client_that_stops_in_its_login_is_given_up<DB: TestEngine>() {
    let server = server::<DB>().await;
    let mut settings = settings(&server);
    settings.limits.login_timeout = Duration::from_secs(1);
    settings.limits.max_connections = 1;
    let proxy = Proxy::start(settings).await.unwrap();
    let mut clients = Vec::new();
    for begun in DB::BEGUN_LOGINS {
        let mut client = TcpStream::connect(proxy.dial().to_string()).await.unwrap();
        client.write_all(begun).await.unwrap();
        clients.push(client);
    }
    for (client, begun) in clients.iter_mut().zip(DB::BEGUN_LOGINS) {
        let mut answer = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(30), client.read_to_end(&mut answer)).await;
        end.expect("the connection ends").ok();
        assert!(DB::is_no_error(&answer), "{begun:?} is refused, with {answer:?}, instead of awaited");
    }
    until("no client is left", async || proxy.stats().clients == 0).await;
    // On a busy machine, a login may take longer than the limit.
    until("another client is logged in", async || connect(&server, &proxy).await.is_ok()).await;
}
