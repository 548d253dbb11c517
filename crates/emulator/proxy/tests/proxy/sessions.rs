//! The connections to the database: shared, reset, limited, and replaced.

use std::future::poll_fn;
use std::time::Duration;

use rds_iam_emulator_proxy::Proxy;
use rds_iam_emulator_server::fixtures::{WRITER, restart_under_load, until};
use rds_iam_emulator_server::on_each_engine;
use sqlx::{Connection as _, Executor};

use crate::support::{TestEngine, both, connect, connect_as, message, server, session, settings, text};

on_each_engine![
    a_connection_is_reused_and_keeps_nothing_of_its_last_client,
    a_client_that_leaves_without_a_word_takes_its_connection_with_it,
    one_client_too_many_waits_and_gives_up,
    a_client_that_stops_waiting_leaves,
    connections_beyond_the_idle_ones_are_closed,
    a_connection_that_the_database_closed_is_replaced,
    a_restart_of_the_database_is_waited_out,
    a_database_that_dies_in_a_result_ends_the_session_and_its_connection,
    restarts_of_the_database_under_load_lose_no_acknowledged_write,
    a_session_that_would_be_pinned_is_reported,
    a_drain_lets_sessions_end_and_then_ends_them,
];

async fn a_connection_is_reused_and_keeps_nothing_of_its_last_client<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (server, proxy) = both::<DB>().await;
    let mut first = connect(&server, &proxy).await.unwrap();
    let number = session::<DB>(&mut first).await;
    for (change, query) in DB::STATE {
        first.execute(sqlx::raw_sql(*change)).await.unwrap();
        assert_ne!(text::<DB>(&mut first, query).await.unwrap(), "none", "{change}");
    }
    first.execute(sqlx::raw_sql("BEGIN")).await.unwrap();
    first.close().await.unwrap();
    until("the connection is idle", async || proxy.stats().idle == 1).await;

    let mut second = connect(&server, &proxy).await.unwrap();
    assert_eq!(session::<DB>(&mut second).await, number, "it is the same connection");
    for (change, query) in DB::STATE {
        assert_eq!(text::<DB>(&mut second, query).await.unwrap(), "none", "{change}");
    }
    let stats = proxy.stats();
    assert_eq!((stats.logins, stats.reused, stats.connections, stats.clients), (1, 1, 1, 1));
    assert_eq!(server.logins().unwrap().len(), 1);
}

async fn a_client_that_leaves_without_a_word_takes_its_connection_with_it<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (server, proxy) = both::<DB>().await;
    let mut first = connect(&server, &proxy).await.unwrap();
    let number = session::<DB>(&mut first).await;
    drop(first);
    until("no connection is left", async || proxy.stats().connections == 0).await;
    let mut second = connect(&server, &proxy).await.unwrap();
    assert_ne!(session::<DB>(&mut second).await, number);
}

async fn one_client_too_many_waits_and_gives_up<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let server = server::<DB>().await;
    let mut settings = settings(&server);
    settings.limits.max_connections = 1;
    settings.limits.borrow_timeout = Duration::from_millis(500);
    let proxy = Proxy::start(settings).await.unwrap();
    let first = connect(&server, &proxy).await.unwrap();
    assert_eq!(message(connect(&server, &proxy).await).1, DB::TIMED_OUT);
    assert_eq!(proxy.stats().borrow_timeouts, 1);
    first.close().await.unwrap();
    let mut second = None;
    until("a connection is free", async || {
        second = connect(&server, &proxy).await.ok();
        second.is_some()
    })
    .await;
    assert!(session::<DB>(&mut second.unwrap()).await > 0);
}

async fn a_client_that_stops_waiting_leaves<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let server = server::<DB>().await;
    let mut settings = settings(&server);
    settings.limits.max_connections = 1;
    let proxy = Proxy::start(settings).await.unwrap();
    let first = connect(&server, &proxy).await.unwrap();
    let waiting = async { tokio::join!(connect(&server, &proxy), connect(&server, &proxy)) };
    let waits = until("both wait", async || proxy.stats().clients == 3);
    tokio::select! {
        _ = waiting => panic!("there is one connection"),
        () = waits => {}
    }
    until("they have left", async || proxy.stats().clients == 1).await;
    first.close().await.unwrap();
    let mut next = connect(&server, &proxy).await.unwrap();
    assert!(session::<DB>(&mut next).await > 0);
}

async fn connections_beyond_the_idle_ones_are_closed<DB: TestEngine>() {
    let server = server::<DB>().await;
    let mut settings = settings(&server);
    settings.limits.max_idle = 1;
    let proxy = Proxy::start(settings).await.unwrap();
    let clients = [
        connect(&server, &proxy).await.unwrap(),
        connect(&server, &proxy).await.unwrap(),
        connect(&server, &proxy).await.unwrap(),
    ];
    assert_eq!(proxy.stats().connections, 3);
    for client in clients {
        client.close().await.unwrap();
    }
    until("one is left", async || {
        let stats = proxy.stats();
        (stats.clients, stats.connections, stats.idle) == (0, 1, 1)
    })
    .await;
}

async fn a_connection_that_the_database_closed_is_replaced<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (server, proxy) = both::<DB>().await;
    connect(&server, &proxy).await.unwrap().close().await.unwrap();
    until("the connection is idle", async || proxy.stats().idle == 1).await;
    assert_eq!(server.cut_connections().await.unwrap(), 1);
    let mut client = connect(&server, &proxy).await.unwrap();
    assert!(session::<DB>(&mut client).await > 0);
    let stats = proxy.stats();
    assert_eq!((stats.logins, stats.reused), (2, 0));
}

async fn a_restart_of_the_database_is_waited_out<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (server, proxy) = both::<DB>().await;
    let mut client = connect(&server, &proxy).await.unwrap();
    server.stop().await.unwrap();
    assert!(text::<DB>(&mut client, DB::CURRENT_USER).await.is_err(), "an open session ends with its server");
    let (restarted, connected) = tokio::join!(server.restart(), connect(&server, &proxy));
    restarted.unwrap();
    assert_eq!(text::<DB>(&mut connected.unwrap(), DB::CURRENT_USER).await.unwrap(), DB::APP);
}

async fn a_database_that_dies_in_a_result_ends_the_session_and_its_connection<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (server, proxy) = both::<DB>().await;
    let mut client = connect(&server, &proxy).await.unwrap();
    let mut rows = client.fetch(sqlx::raw_sql(DB::LARGE));
    // A slow reader: it has one row when the server ends, which cannot have sent them all.
    assert!(poll_fn(|context| rows.as_mut().poll_next(context)).await.unwrap().is_ok());
    server.stop().await.unwrap();
    let is_complete = loop {
        match poll_fn(|context| rows.as_mut().poll_next(context)).await {
            Some(Ok(_)) => {}
            Some(Err(_)) => break false,
            None => break true,
        }
    };
    assert!(!is_complete, "a part of the result is taken for all of it");
    until("the connection is given up", async || {
        let stats = proxy.stats();
        (stats.clients, stats.connections) == (0, 0)
    })
    .await;
    drop(rows);

    server.restart().await.unwrap();
    let mut client = connect(&server, &proxy).await.unwrap();
    assert_eq!(text::<DB>(&mut client, DB::CURRENT_USER).await.unwrap(), DB::APP);
    let stats = proxy.stats();
    assert_eq!((stats.logins, stats.reused), (2, 0));
}

async fn restarts_of_the_database_under_load_lose_no_acknowledged_write<DB: TestEngine>() {
    let (server, proxy) = both::<DB>().await;
    restart_under_load(&server, &async || connect_as(&server, &proxy, WRITER).await).await;
    // The proxy that was started first has no connection of a server that has ended.
    until("the writers' connections are closed", async || proxy.stats().connections == 0).await;
}

async fn a_session_that_would_be_pinned_is_reported<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (server, proxy) = both::<DB>().await;
    let mut client = connect(&server, &proxy).await.unwrap();
    for _ in 0..2 {
        session::<DB>(&mut client).await;
    }
    let pinned = proxy.stats().pinned;
    assert_eq!(pinned.values().sum::<u64>(), 1, "once a session: {pinned:?}");
}

async fn a_drain_lets_sessions_end_and_then_ends_them<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (server, proxy) = both::<DB>().await;
    let ends_in_time = connect(&server, &proxy).await.unwrap();
    let address = proxy.dial().to_string();
    let drained = tokio::spawn(proxy.drain(Duration::from_secs(20)));
    until("no client is accepted", async || tokio::net::TcpStream::connect(&address).await.is_err()).await;
    ends_in_time.close().await.unwrap();
    assert!(drained.await.unwrap(), "all ended by themselves");

    let proxy = Proxy::start(settings(&server)).await.unwrap();
    let mut stays = connect(&server, &proxy).await.unwrap();
    assert!(!proxy.drain(Duration::from_millis(200)).await);
    let (_, text) = message(text::<DB>(&mut stays, DB::CURRENT_USER).await);
    assert!(text.contains("hutdown") || text.contains("administrator command"), "{text}");
}
