//! Sessions that are replaced, with an API that answers when a test permits it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rds_iam_tunnel::{Api, Call, Options, StartRequest, Started, Token, Tunnel, TunnelError};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;

use crate::agent::Behaviour;
use crate::peer::{Peer, PeerApi};
use crate::{echo, eventually, remote, tls};

/// Calls of `StartSession` that wait for a permit.
struct Gate {
    api: PeerApi,
    state: Arc<State>,
}

struct State {
    permits: Semaphore,
    calls: AtomicUsize,
    fails: AtomicBool,
}

impl Api for Gate {
    fn start<'a>(&'a self, request: &'a StartRequest) -> Call<'a, Started> {
        Box::pin(async move {
            self.state.calls.fetch_add(1, Ordering::Relaxed);
            self.state.permits.acquire().await?.forget();
            if self.state.fails.load(Ordering::Relaxed) {
                return Err("no network".into());
            }
            self.api.start(request).await
        })
    }

    fn resume<'a>(&'a self, session_id: &'a str) -> Call<'a, Option<Token>> {
        self.api.resume(session_id)
    }

    fn terminate<'a>(&'a self, session_id: &'a str) -> Call<'a, ()> {
        self.api.terminate(session_id)
    }
}

/// Returns a tunnel the first of whose sessions the service has ended. The next call of `StartSession` waits.
async fn ended(sessions: usize) -> (Arc<Peer>, Arc<State>, Tunnel) {
    let peer = Peer::start(Behaviour { ends_after: Some(20), ..Behaviour::default() }).await;
    let state = State {
        permits: Semaphore::new(sessions),
        calls: AtomicUsize::new(0),
        fails: AtomicBool::new(false),
    };
    let state = Arc::new(state);
    let gate = Gate { api: peer.api(), state: state.clone() };
    let mut options = Options::default();
    options.sessions = sessions;
    let tunnel = Tunnel::start(gate, remote("i-1"), tls(), options).await.unwrap();
    let mut stream = tunnel.open().await.unwrap();
    while stream.write_all(&[0; 1000]).await.is_ok() {
        tokio::task::yield_now().await;
    }
    (peer, state, tunnel)
}

#[tokio::test]
async fn a_session_that_is_started_while_the_tunnel_is_closed_is_ended() {
    let (peer, state, tunnel) = ended(1).await;
    let opening = tunnel.clone();
    let opening = tokio::spawn(async move { opening.open().await });
    eventually(|| state.calls.load(Ordering::Relaxed) == 2).await;
    tunnel.close().await;
    state.permits.add_permits(1);
    let opened = opening.await.unwrap();
    assert!(matches!(opened, Err(TunnelError::Closed)), "{opened:?}");
    assert_eq!(*peer.terminated.lock().unwrap(), ["session-1"]);
}

/// With several, the first error is the tunnel's, while another start still waits.
#[tokio::test]
async fn the_first_session_that_can_not_be_started_ends_the_start() {
    let peer = Peer::start(Behaviour::default()).await;
    let state =
        State { permits: Semaphore::new(1), calls: AtomicUsize::new(0), fails: AtomicBool::new(true) };
    let gate = Gate { api: peer.api(), state: Arc::new(state) };
    let mut options = Options::default();
    options.sessions = 2;
    let error = Tunnel::start(gate, remote("i-1"), tls(), options).await.unwrap_err();
    assert!(
        matches!(error.reason(), TunnelError::Start { source, .. } if source.to_string() == "no network"),
        "{error}"
    );
}

#[tokio::test]
async fn connections_that_wait_for_a_session_share_its_failure_and_the_next_one_tries_again() {
    let (_peer, state, tunnel) = ended(1).await;
    state.fails.store(true, Ordering::Relaxed);
    let opening: Vec<_> = (0..10)
        .map(|_| {
            let tunnel = tunnel.clone();
            tokio::spawn(async move { tunnel.open().await })
        })
        .collect();
    // All others wait for the first one by now: this runtime has one thread.
    eventually(|| state.calls.load(Ordering::Relaxed) == 2).await;
    state.permits.add_permits(1);
    for opening in opening {
        let error = opening.await.unwrap().unwrap_err();
        assert!(matches!(error.reason(), TunnelError::Start { .. }), "{error}");
    }
    assert_eq!(state.calls.load(Ordering::Relaxed), 2);
    state.fails.store(false, Ordering::Relaxed);
    state.permits.add_permits(1);
    echo(tunnel.open().await.unwrap(), 1000).await;
    assert_eq!(state.calls.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_connection_uses_another_session_while_one_cannot_be_replaced() {
    let (_peer, state, tunnel) = ended(2).await;
    state.fails.store(true, Ordering::Relaxed);
    state.permits.add_permits(2);
    // Few messages: the service ends the other session after 20, too.
    for length in [1, 2] {
        echo(tunnel.open().await.unwrap(), length).await;
    }
    assert_eq!(state.calls.load(Ordering::Relaxed), 4);
}
