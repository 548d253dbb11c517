//! The ends of sessions and of the gateway, and what a client learns of them.

use std::time::Duration;

use rds_iam_emulator_server::fixtures::{SkewedClock, until};
use rds_iam_emulator_server::on_each_engine;
use sqlx::{Connection as _, Executor};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{TestEngine, both, connect, run, run_for, server, target, text};

on_each_engine![
    a_drain_serves_until_the_last_client_leaves,
    at_the_deadline_each_client_is_sent_an_error,
    an_idle_session_is_closed_with_an_error,
    a_database_that_restarts_ends_sessions_and_the_next_ones_are_open,
    killing_the_server_twenty_times_loses_no_acknowledged_write,
    probes_report_the_stage,
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

async fn killing_the_server_twenty_times_loses_no_acknowledged_write<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    // A tenth of the long run.
    let rounds = std::env::var("RDS_IAM_CLIENTS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2);
    let (server, gateway) = both::<DB>().await;
    let database = crate::support::DATABASE;
    let create = format!("CREATE TABLE {} (id INT PRIMARY KEY)", DB::WRITES);
    rds_iam_emulator_server::fixtures::execute(&server, [create]).await.unwrap();
    let privileges = format!("SELECT, INSERT ON {database}.*");
    rds_iam_emulator_server::fixtures::create_user(&server, "writer", &privileges).await.unwrap();
    drop(gateway);
    let mut target = target(&server, server.dial(), &SkewedClock::default());
    target.user = rds_iam_gateway::UserRule::Always("writer".parse().unwrap());
    let gateway = run(target).await;

    let (mut id, mut acknowledged) = (0, Vec::new());
    for _ in 0..rounds {
        let writing = async {
            let Ok(mut client) = connect::<DB>(&gateway.address).await else { return };
            loop {
                id += 1;
                let insert = sqlx::AssertSqlSafe(format!("INSERT INTO {} VALUES ({id})", DB::WRITES));
                if client.execute(sqlx::raw_sql(insert)).await.is_err() {
                    return;
                }
                acknowledged.push(id);
            }
        };
        let killing = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            server.stop().await.unwrap();
            server.restart().await.unwrap();
        };
        tokio::join!(writing, killing);
    }
    let mut client = connect::<DB>(&gateway.address).await.unwrap();
    let select = format!("SELECT CAST(id AS CHAR(20)) FROM {}", DB::WRITES);
    let rows = client.fetch_all(sqlx::raw_sql(sqlx::AssertSqlSafe(select))).await.unwrap();
    let stored: std::collections::BTreeSet<i64> =
        rows.iter().map(|row| DB::text(row).trim().parse().unwrap()).collect();
    assert!(acknowledged.len() > rounds, "too few writes to lose any: {}", acknowledged.len());
    let lost: Vec<_> = acknowledged.iter().filter(|id| !stored.contains(id)).collect();
    assert!(lost.is_empty(), "{lost:?} of {} are lost", acknowledged.len());
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
    assert!(request(gateway.admin, "POST /quitquitquit").await.starts_with("HTTP/1.1 202"));
    until("it drains", async || get(gateway.admin, "/readiness").await.contains("draining")).await;
    client.close().await.unwrap();
    (&mut gateway.serving).await.unwrap();
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
    let mut stream = TcpStream::connect(admin).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
