//! Sessions that are replaced, with an API that answers when a test permits it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use rds_iam_tunnel::{Api, Call, Options, StartRequest, Started, Token, Tunnel, TunnelError, TunnelStream};
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

pub(crate) struct State {
    pub(crate) permits: Semaphore,
    calls: AtomicUsize,
    pub(crate) fails: AtomicBool,
    /// The calls of `ResumeSession`, while none is answered.
    unanswered: AtomicUsize,
    is_silent: AtomicBool,
}

impl Default for State {
    fn default() -> Self {
        let (fails, is_silent) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { permits: Semaphore::new(0), calls: 0.into(), fails, unanswered: 0.into(), is_silent }
    }
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
        if self.state.is_silent.load(Ordering::Relaxed) {
            self.state.unanswered.fetch_add(1, Ordering::Relaxed);
            return Box::pin(std::future::pending());
        }
        self.api.resume(session_id)
    }

    fn terminate<'a>(&'a self, session_id: &'a str) -> Call<'a, ()> {
        self.api.terminate(session_id)
    }
}

impl State {
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

/// Returns a tunnel one of whose sessions the service has ended. The next call of `StartSession` waits.
pub(crate) async fn ended(sessions: usize, version: &'static str) -> (Arc<Peer>, Arc<State>, Tunnel) {
    let peer = Peer::start(Behaviour { version, ends_after: Some(20), ..Behaviour::default() }).await;
    let (state, tunnel) = started(&peer, sessions).await;
    until_it_ends(tunnel.open().await.unwrap()).await;
    (peer, state, tunnel)
}

/// Returns a tunnel whose next call of `StartSession` waits.
async fn started(peer: &Arc<Peer>, sessions: usize) -> (Arc<State>, Tunnel) {
    let state = Arc::new(State { permits: Semaphore::new(sessions), ..State::default() });
    let gate = Gate { api: peer.api(), state: state.clone() };
    let mut options = Options::default();
    options.sessions = sessions;
    let tunnel = Tunnel::start(gate, remote("i-1"), tls(), options).await.unwrap();
    (state, tunnel)
}

/// Writes until the service has ended the session.
async fn until_it_ends(mut stream: TunnelStream) {
    while stream.write_all(&[0; 1000]).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

/// Opens a connection that does not wait, and closes it before anything of it is sent.
fn open_at_once(tunnel: &Tunnel) {
    drop(tunnel.open().now_or_never().expect("another session runs").unwrap());
}

#[tokio::test]
async fn a_session_that_is_started_while_the_tunnel_is_closed_is_ended() {
    let (peer, state, tunnel) = ended(1, "").await;
    let opening = tunnel.clone();
    let opening = tokio::spawn(async move { opening.open().await });
    eventually(|| state.calls() == 2).await;
    tunnel.close().await;
    let opened = opening.await.unwrap();
    assert!(matches!(opened, Err(TunnelError::Closed)), "{opened:?}");
    state.permits.add_permits(1);
    eventually(|| *peer.terminated.lock().unwrap() == ["session-1"]).await;
}

#[tokio::test]
async fn a_session_that_is_started_when_the_tunnel_is_dropped_is_ended() {
    let (peer, state, tunnel) = ended(2, "").await;
    open_at_once(&tunnel);
    eventually(|| state.calls() == 3).await;
    drop(tunnel);
    state.permits.add_permits(1);
    // The one that ran is ended, too.
    eventually(|| peer.terminated.lock().unwrap().len() == 2).await;
    assert!(peer.terminated.lock().unwrap().contains(&"session-2".to_owned()));
}

/// With several, the first error is the tunnel's, while another start still waits.
#[tokio::test]
async fn the_first_session_that_can_not_be_started_ends_the_start() {
    let peer = Peer::start(Behaviour::default()).await;
    let state = State { permits: Semaphore::new(1), fails: AtomicBool::new(true), ..State::default() };
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
    let (_peer, state, tunnel) = ended(1, "").await;
    state.fails.store(true, Ordering::Relaxed);
    let opening: Vec<_> = (0..10)
        .map(|_| {
            let tunnel = tunnel.clone();
            tokio::spawn(async move { tunnel.open().await })
        })
        .collect();
    // All others wait for the first one by now: this runtime has one thread.
    eventually(|| state.calls() == 2).await;
    state.permits.add_permits(1);
    for opening in opening {
        let error = opening.await.unwrap().unwrap_err();
        assert!(matches!(error.reason(), TunnelError::Start { .. }), "{error}");
    }
    assert_eq!(state.calls(), 2);
    state.fails.store(false, Ordering::Relaxed);
    state.permits.add_permits(1);
    // A second after the last attempt.
    tokio::time::pause();
    let opening = tunnel.clone();
    let opening = tokio::spawn(async move { opening.open().await });
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(state.calls(), 2);
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    echo(opening.await.unwrap().unwrap(), 1000).await;
    assert_eq!(state.calls(), 3);
}

#[tokio::test]
async fn a_connection_uses_another_session_while_one_is_replaced() {
    let (_peer, state, tunnel) = ended(2, "").await;
    let mut stream = tunnel.open().now_or_never().expect("another session runs").unwrap();
    echo(&mut stream, 1).await;
    open_at_once(&tunnel);
    eventually(|| state.calls() == 3).await;
    state.permits.add_permits(1);
    // The service ends the other session after 20 messages, too: the next connection uses the one that was replaced.
    until_it_ends(stream).await;
    echo(tunnel.open().await.unwrap(), 1000).await;
}

#[tokio::test]
async fn a_session_that_cannot_be_replaced_is_tried_again_after_a_pause_when_a_connection_is_opened() {
    let (_peer, state, tunnel) = ended(2, "").await;
    state.fails.store(true, Ordering::Relaxed);
    state.permits.add_permits(2);
    tokio::time::pause();
    for _ in 0..20 {
        open_at_once(&tunnel);
        tokio::task::yield_now().await;
    }
    assert_eq!(state.calls(), 3);
    // Longer than the pause. Without a connection, nothing is tried.
    tokio::time::advance(Duration::from_secs(2)).await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(state.calls(), 3);
    open_at_once(&tunnel);
    eventually(|| state.calls() == 4).await;
}

#[tokio::test]
async fn connections_without_a_session_make_one_attempt_a_second() {
    let (_peer, state, tunnel) = ended(3, "").await;
    for _ in 0..2 {
        until_it_ends(tunnel.open().await.unwrap()).await;
    }
    state.fails.store(true, Ordering::Relaxed);
    state.permits.add_permits(100);
    tokio::time::pause();
    // Fails with the attempts that are in progress.
    drop(tunnel.open().await.unwrap_err());
    let (begun, calls) = (tokio::time::Instant::now(), state.calls());
    for _ in 0..20 {
        drop(tunnel.open().await.unwrap_err());
    }
    assert_eq!(state.calls() - calls, 20);
    assert!(begun.elapsed() >= Duration::from_secs(19), "{:?}", begun.elapsed());
}

/// It may take any time until a session is resumed.
#[tokio::test]
async fn a_connection_uses_a_session_that_is_not_interrupted() {
    let peer = Peer::start(Behaviour { closes: vec![100], ..Behaviour::default() }).await;
    let (state, tunnel) = started(&peer, 2).await;
    state.is_silent.store(true, Ordering::Relaxed);
    // One of the two is interrupted.
    let streams = [tunnel.open().await.unwrap(), tunnel.open().await.unwrap()];
    let writing = streams.map(|stream| tokio::spawn(until_it_ends(stream)));
    eventually(|| state.unanswered.load(Ordering::Relaxed) == 1).await;
    for writing in writing {
        writing.abort();
    }
    for _ in 0..4 {
        let mut stream = tunnel.open().await.unwrap();
        let echoed = tokio::time::timeout(Duration::from_secs(60), echo(&mut stream, 100));
        echoed.await.expect("the other session answers");
    }
}
