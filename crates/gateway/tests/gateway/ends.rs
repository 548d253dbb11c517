//! The ends of sessions and of the gateway, and what a client learns of them.

use std::time::Duration;

use rds_iam_emulator_server::fixtures::{SkewedClock, WRITER, restart_under_load, until};
use rds_iam_emulator_server::on_each_engine;
use rds_iam_gateway::UserRule;
use sqlx::{ConnectOptions as _, Connection as _, Executor};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{TestEngine, both, connect, run, run_for, server, target, text};

on_each_engine![
    a_drain_serves_until_the_last_client_leaves,
    at_the_deadline_each_client_is_sent_an_error,
    an_idle_session_is_closed_with_an_error,
    a_database_that_restarts_ends_sessions_and_the_next_ones_are_open,
    restarts_of_the_database_under_load_lose_no_acknowledged_write,
    probes_report_the_stage,
    a_statement_that_runs_is_not_idle,
    silent_http_clients_take_a_few_descriptors,
];

async fn a_drain_serves_until_the_last_client_leaves<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (_server, mut gateway) = both::<DB>().await;
    let first = connect::<DB>(&gateway.address).await.unwrap();
    gateway.stop();
    until("the drain begins", async || get(gateway.admin, "/readiness").await.contains("draining")).await;
    // Another process may end later, and needs a connection for that.
    let mut second = connect::<DB>(&gateway.address).await.unwrap();
    first.close().await.unwrap();
    assert_eq!(text::<DB>(&mut second, DB::CURRENT_USER).await.unwrap(), DB::APP);
    assert!(!gateway.serving.is_finished());
    second.close().await.unwrap();
    (&mut gateway.serving).await.unwrap();
    assert!(connect::<DB>(&gateway.address).await.is_err());
}

async fn at_the_deadline_each_client_is_sent_an_error<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let server = server::<DB>().await;
    let target = target(&server, server.dial(), &SkewedClock::default());
    let mut gateway = run_for(target, Duration::ZERO).await;
    let mut client = connect::<DB>(&gateway.address).await.unwrap();
    assert_eq!(text::<DB>(&mut client, DB::CURRENT_USER).await.unwrap(), DB::APP);
    gateway.stop();
    (&mut gateway.serving).await.unwrap();
    let error = text::<DB>(&mut client, DB::CURRENT_USER).await.unwrap_err();
    assert!(format!("{error:?}").contains("the gateway ends"), "{error:?}");
}

async fn an_idle_session_is_closed_with_an_error<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let server = server::<DB>().await;
    let mut target = target(&server, server.dial(), &SkewedClock::default());
    target.limits.idle = Some(Duration::from_millis(500));
    let gateway = run(target).await;
    let mut client = connect::<DB>(&gateway.address).await.unwrap();
    until("the session is closed", async || open_sessions(gateway.admin).await == 0).await;
    let error = text::<DB>(&mut client, DB::CURRENT_USER).await.unwrap_err();
    assert!(format!("{error:?}").contains("idle"), "{error:?}");
}

async fn a_database_that_restarts_ends_sessions_and_the_next_ones_are_open<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (server, gateway) = both::<DB>().await;
    let mut client = connect::<DB>(&gateway.address).await.unwrap();
    server.stop().await.unwrap();
    assert!(text::<DB>(&mut client, DB::CURRENT_USER).await.is_err());
    server.restart().await.unwrap();
    let mut client = connect::<DB>(&gateway.address).await.unwrap();
    assert_eq!(text::<DB>(&mut client, DB::CURRENT_USER).await.unwrap(), DB::APP);
}

async fn restarts_of_the_database_under_load_lose_no_acknowledged_write<DB: TestEngine>() {
    let server = server::<DB>().await;
    let mut target = target(&server, server.dial(), &SkewedClock::default());
    target.user = UserRule::Only(WRITER.parse().unwrap());
    let gateway = run(target).await;
    restart_under_load(&server, &async || DB::options(&gateway.address, WRITER, "").connect().await).await;
    assert!(!gateway.serving.is_finished(), "the gateway that was started first serves to the end");
}

async fn probes_report_the_stage<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (_server, mut gateway) = both::<DB>().await;
    until("it serves", async || get(gateway.admin, "/readiness").await.ends_with("ready\n")).await;
    assert!(get(gateway.admin, "/startup").await.starts_with("HTTP/1.1 200"));
    assert!(get(gateway.admin, "/liveness").await.starts_with("HTTP/1.1 200"));
    let client = connect::<DB>(&gateway.address).await.unwrap();
    let metrics = get(gateway.admin, "/metrics").await;
    assert!(metrics.contains(r#"rds_iam_gateway_sessions_opened_total{listener="shop"} 1"#), "{metrics}");
    assert!(request(gateway.admin, "GET /quitquitquit").await.starts_with("HTTP/1.1 405"));
    // A web page in a browser of this machine could send it.
    let from_page = "POST /quitquitquit HTTP/1.1\r\nOrigin: https://example.com";
    assert!(send(gateway.admin, from_page).await.starts_with("HTTP/1.1 403"));
    let through_proxy = "POST /quitquitquit HTTP/1.1\r\nX-Forwarded-For: 203.0.113.9";
    assert!(send(gateway.admin, through_proxy).await.starts_with("HTTP/1.1 403"));
    assert!(request(gateway.admin, "POST /quitquitquit").await.starts_with("HTTP/1.1 202"));
    until("it drains", async || get(gateway.admin, "/readiness").await.contains("draining")).await;
    client.close().await.unwrap();
    (&mut gateway.serving).await.unwrap();
}

async fn a_statement_that_runs_is_not_idle<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let server = server::<DB>().await;
    let mut target = target(&server, server.dial(), &SkewedClock::default());
    target.limits.idle = Some(Duration::from_millis(500));
    let gateway = run(target).await;
    let mut client = connect::<DB>(&gateway.address).await.unwrap();
    // Four times the limit.
    assert!(text::<DB>(&mut client, DB::SHORT_SLEEP).await.is_ok());
}

async fn silent_http_clients_take_a_few_descriptors<DB: TestEngine>() {
    let server = server::<DB>().await;
    let gateway = run(target(&server, server.dial(), &SkewedClock::default())).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(gateway.admin).await.unwrap());
    }
    // Those beyond the limit are closed at once, the others after five seconds.
    let mut closed = 0;
    for client in &mut silent {
        if tokio::time::timeout(Duration::from_secs(1), client.read(&mut [0; 1])).await.is_ok() {
            closed += 1;
            break;
        }
    }
    assert_eq!(closed, 1);
    until("probes are answered again", async || {
        let answered = tokio::time::timeout(Duration::from_secs(1), try_get(gateway.admin)).await;
        answered.is_ok_and(|answer| answer.is_ok_and(|text| text.starts_with("HTTP/1.1 200")))
    })
    .await;
}

async fn try_get(admin: std::net::SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(admin).await?;
    stream.write_all(b"GET /liveness HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

async fn open_sessions(admin: std::net::SocketAddr) -> u64 {
    let metrics = get(admin, "/metrics").await;
    let line = metrics.lines().find(|line| line.starts_with("rds_iam_gateway_sessions_open{"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{metrics}"))
}

async fn get(admin: std::net::SocketAddr, path: &str) -> String {
    request(admin, &format!("GET {path}")).await
}

async fn request(admin: std::net::SocketAddr, line: &str) -> String {
    send(admin, &format!("{line} HTTP/1.1")).await
}

async fn send(admin: std::net::SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(admin).await.unwrap();
    let request = format!("{head}\r\nHost: gateway\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
