//! Older agents, whose sessions carry one connection at a time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt as _;
use rds_iam_tunnel::message::Flag;
use rds_iam_tunnel::{Options, TunnelError, TunnelStream};

use crate::agent::Behaviour;
use crate::peer::Peer;
use crate::replace::ended;
use crate::{echo, eventually, open, tunnel};

const VERSION: &str = "2.3.722.0";

/// Returns the stream of a connection that waits. The limit only ends a test that fails.
async fn opened(opening: impl Future<Output = Result<TunnelStream, TunnelError>>) -> TunnelStream {
    let opened = tokio::time::timeout(Duration::from_secs(60), opening).await;
    opened.expect("a session is free").unwrap()
}

#[tokio::test]
async fn an_older_agent_serves_one_connection_after_the_other() {
    let (peer, tunnel) = open(Behaviour { version: VERSION, ..Behaviour::default() }).await;
    let echoes = (0..5).map(|n| {
        let tunnel = tunnel.clone();
        tokio::spawn(async move { echo(tunnel.open().await.unwrap(), 10_000 + n).await })
    });
    for echo in echoes.collect::<Vec<_>>() {
        echo.await.unwrap();
    }
    tunnel.close().await;
    let flags = peer.flags.lock().unwrap().clone();
    assert_eq!(flags.iter().filter(|flag| **flag == Flag::DisconnectToPort).count(), 5, "{flags:?}");
}

#[tokio::test]
async fn a_connection_that_waits_gets_the_first_session_that_is_free() {
    let peer = Peer::start(Behaviour { version: VERSION, ..Behaviour::default() }).await;
    let mut options = Options::default();
    options.sessions = 2;
    let tunnel = tunnel(&peer, options).await.unwrap();
    let mut first = tunnel.open().await.unwrap();
    let mut second = tunnel.open().await.unwrap();
    echo(&mut first, 1000).await;
    echo(&mut second, 1000).await;
    let (mut third, mut fourth) = (Box::pin(tunnel.open()), Box::pin(tunnel.open()));
    assert!(third.as_mut().now_or_never().is_none());
    assert!(fourth.as_mut().now_or_never().is_none());
    // They get their sessions in the order in which they came.
    drop(second);
    echo(opened(third).await, 1000).await;
    echo(opened(fourth).await, 1000).await;
    echo(first, 1000).await;
}

#[tokio::test]
async fn a_connection_that_waits_gets_a_session_that_was_replaced() {
    let (_peer, state, tunnel) = ended(2, VERSION).await;
    let _busy = tunnel.open().now_or_never().expect("another session runs").unwrap();
    let mut waiting = Box::pin(tunnel.open());
    assert!(waiting.as_mut().now_or_never().is_none());
    state.permits.add_permits(1);
    echo(opened(waiting).await, 1000).await;
}

#[tokio::test]
async fn a_session_that_could_not_be_replaced_is_tried_again_while_a_connection_waits() {
    let (_peer, state, tunnel) = ended(2, VERSION).await;
    let _busy = tunnel.open().now_or_never().expect("another session runs").unwrap();
    state.fails.store(true, Ordering::Relaxed);
    state.permits.add_permits(1);
    let waiting = tunnel.clone();
    let waiting = tokio::spawn(async move { waiting.open().await });
    eventually(|| state.permits.available_permits() == 0).await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(state.calls(), 3);
    state.fails.store(false, Ordering::Relaxed);
    state.permits.add_permits(1);
    tokio::time::pause();
    // The longest first pause.
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    echo(opened(async { waiting.await.unwrap() }).await, 1000).await;
    assert_eq!(state.calls(), 4);
}
