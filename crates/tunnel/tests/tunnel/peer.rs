//! The service in front of an agent, small, with faults.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use rds_iam_tunnel::content::{OpenDataChannel, to_json, uncounted};
use rds_iam_tunnel::message::{Flag, Kind};
use rds_iam_tunnel::{Api, Call, StartRequest, Started, Token};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::sleep_until;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use uuid::Uuid;

use crate::agent::{Agent, Behaviour};

pub(crate) struct Peer {
    url: String,
    pub(crate) behaviour: Mutex<Behaviour>,
    agents: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Agent>>>>,
    is_silent: AtomicBool,
    pub(crate) started: AtomicUsize,
    pub(crate) resumed: AtomicUsize,
    pub(crate) terminated: Mutex<Vec<String>>,
    pub(crate) flags: Mutex<Vec<Flag>>,
}

impl Peer {
    pub(crate) async fn start(behaviour: Behaviour) -> Arc<Self> {
        Self::start_with(behaviour, None).await
    }

    /// Starts a peer with TLS, under the name `localhost`.
    pub(crate) async fn start_with(behaviour: Behaviour, tls: Option<TlsAcceptor>) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Arc::new(Self {
            url: match (&tls, listener.local_addr().unwrap()) {
                (None, address) => format!("ws://{address}"),
                (Some(_), address) => format!("wss://localhost:{}", address.port()),
            },
            behaviour: Mutex::new(behaviour),
            agents: Mutex::default(),
            is_silent: AtomicBool::new(false),
            started: AtomicUsize::new(0),
            resumed: AtomicUsize::new(0),
            terminated: Mutex::default(),
            flags: Mutex::default(),
        });
        let serving = peer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                match tls.clone() {
                    None => drop(tokio::spawn(serving.clone().serve(stream))),
                    Some(tls) => {
                        let serving = serving.clone();
                        tokio::spawn(async move {
                            if let Ok(stream) = tls.accept(stream).await {
                                serving.serve(stream).await;
                            }
                        });
                    }
                }
            }
        });
        peer
    }

    pub(crate) fn api(self: &Arc<Self>) -> PeerApi {
        PeerApi(self.clone())
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(self: Arc<Self>, stream: S) {
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let Some(Ok(Frame::Text(open))) = socket.next().await else { return };
        let open: OpenDataChannel = serde_json::from_str(&open).unwrap();
        if self.behaviour.lock().unwrap().is_nonsense {
            for _ in 0..10 {
                drop(socket.send(Frame::text("nonsense")).await);
                drop(socket.send(Frame::binary(vec![1; 50])).await);
            }
            while socket.next().await.is_some_and(|message| message.is_ok()) {}
            return;
        }
        let agent = self.agents.lock().unwrap()[&open.token_value].clone();
        let mut agent = agent.lock().await;
        if agent.client.is_empty() {
            agent.client = open.client_id.clone();
        }
        assert_eq!(agent.client, open.client_id, "the client's id stays the same");
        agent.sender.reconnected(Instant::now());
        let close = {
            let closes = &mut self.behaviour.lock().unwrap().closes;
            if closes.is_empty() { usize::MAX } else { closes.remove(0) }
        };
        self.run(&mut socket, &mut agent, close).await;
        drop(agent);
        if self.is_silent.swap(false, Ordering::Relaxed) {
            // Open, until the test ends.
            return std::future::pending().await;
        }
        drop(socket.close(None).await);
    }

    async fn run<S>(&self, socket: &mut WebSocketStream<S>, agent: &mut Agent, close: usize)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let behaviour = self.behaviour.lock().unwrap().clone();
        let mut count = 0;
        let mut acknowledgements = Vec::new();
        if agent.sender.next_sequence() == 0 {
            let request = agent.handshake(&behaviour);
            drop(socket.send(Frame::Binary(request)).await);
        }
        loop {
            // What can be sent is, and then what came is read.
            let now = Instant::now();
            while let Some(bytes) = acknowledgements.pop().or_else(|| agent.next_message(now, &behaviour)) {
                let copies = u8::from(fastrand::u8(0..100) >= behaviour.lost)
                    + u8::from(fastrand::u8(0..100) < behaviour.repeated);
                for _ in 0..copies {
                    if socket.feed(Frame::Binary(bytes.clone())).await.is_err() {
                        return;
                    }
                }
            }
            if socket.flush().await.is_err() {
                return;
            }
            let wake = agent
                .sender
                .next_timeout()
                .unwrap_or_else(|| Instant::now() + std::time::Duration::from_secs(60));
            let first = tokio::select! {
                message = socket.next() => message,
                () = sleep_until(wake.into()) => continue,
            };
            let mut next = Some(first);
            while let Some(message) = next {
                let Some(Ok(message)) = message else { return };
                if let Frame::Binary(bytes) = message
                    && fastrand::u8(0..100) >= behaviour.lost
                {
                    acknowledgements.extend(agent.receive(&bytes, &behaviour));
                    self.flags.lock().unwrap().append(&mut agent.flags);
                }
                count += 1;
                if count >= close {
                    return;
                }
                if behaviour.silent_after.is_some_and(|after| count >= after) {
                    self.behaviour.lock().unwrap().silent_after = None;
                    self.is_silent.store(true, Ordering::Relaxed);
                    return;
                }
                if behaviour.ends_after.is_some_and(|after| count >= after) {
                    let payload = to_json(&json!({"Output": "ended by an operator"}));
                    let closed = uncounted(Kind::ChannelClosed, payload, Uuid::nil(), 1);
                    drop(socket.send(Frame::Binary(closed.encode())).await);
                    self.behaviour.lock().unwrap().ends_after = None;
                    return;
                }
                if count % 64 == 0 {
                    break;
                }
                // Only what has arrived.
                next = futures_util::FutureExt::now_or_never(socket.next());
            }
        }
    }
}

/// The API of a peer. The token of a session is its name.
pub(crate) struct PeerApi(Arc<Peer>);

impl Api for PeerApi {
    fn start<'a>(&'a self, request: &'a StartRequest) -> Call<'a, Started> {
        Box::pin(async move {
            if request.target == "i-unknown" {
                return Err("TargetNotConnected: i-unknown is not connected".into());
            }
            let number = self.0.started.fetch_add(1, Ordering::Relaxed);
            let session_id = format!("session-{number}");
            let agent = Arc::new(tokio::sync::Mutex::new(Agent::new()));
            self.0.agents.lock().unwrap().insert(session_id.clone(), agent);
            let stream_url = format!("{}/v1/data-channel/{session_id}", self.0.url);
            Ok(Started { token: Token::new(session_id.clone()), session_id, stream_url })
        })
    }

    fn resume<'a>(&'a self, session_id: &'a str) -> Call<'a, Option<Token>> {
        Box::pin(async move {
            self.0.resumed.fetch_add(1, Ordering::Relaxed);
            let is_gone = self.0.behaviour.lock().unwrap().is_gone;
            Ok((!is_gone).then(|| Token::new(session_id.to_owned())))
        })
    }

    fn terminate<'a>(&'a self, session_id: &'a str) -> Call<'a, ()> {
        Box::pin(async move {
            self.0.terminated.lock().unwrap().push(session_id.to_owned());
            Ok(())
        })
    }
}
