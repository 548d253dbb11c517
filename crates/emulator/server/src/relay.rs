//! A TCP relay in front of a server. It emulates failures of the network, and RDS Proxy's answer when it is
//! too busy.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rds_iam_token::Endpoint;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;
use tracing::debug;

use crate::error::Error;

/// The most connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// A running relay. Dropping it closes its port and cuts its connections.
#[derive(Debug)]
pub struct Relay {
    dial: Endpoint,
    /// Bound but not listening: it keeps the port while the relay refuses connections.
    _port: TcpSocket,
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    server: watch::Sender<Endpoint>,
    accepted: AtomicU64,
    to_throttle: AtomicU32,
    /// The time until which new connections are held.
    held_until: Mutex<Option<Instant>>,
    /// Incremented to cut the open connections.
    cut: watch::Sender<u64>,
    /// The numbers of the open connections, in the order in which they were accepted.
    open: watch::Sender<BTreeSet<u64>>,
}

impl Relay {
    pub(crate) async fn start(server: Endpoint) -> Result<Self, Error> {
        let failed = || Error::io("listen on", Path::new("127.0.0.1"));
        let port = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).map_err(failed())?;
        let address = port.local_addr().map_err(failed())?;
        let dial = Endpoint::new("127.0.0.1", address.port()).map_err(io::Error::other).map_err(failed())?;
        let shared = Arc::new(Shared {
            server: watch::Sender::new(server),
            accepted: AtomicU64::new(0),
            to_throttle: AtomicU32::new(0),
            held_until: Mutex::new(None),
            cut: watch::Sender::new(0),
            open: watch::Sender::default(),
        });
        let mut relay = Self { dial, _port: port, address, shared, accepting: None };
        relay.refuse_connections(false).await?;
        Ok(relay)
    }

    /// Returns the relay's address, to dial in place of the server's.
    #[must_use]
    pub fn dial(&self) -> &Endpoint {
        &self.dial
    }

    /// Returns the number of connections accepted so far, throttled ones included.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Returns the number of open connections.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.borrow().len()
    }

    /// Cuts all connections that are open at the call, and waits until they are gone. New ones are accepted, also while
    /// it waits: clients that connect again at once do not keep it.
    pub async fn cut(&self) {
        let last = self.accepted();
        self.shared.cut.send_modify(|serial| *serial += 1);
        let mut open = self.shared.open.subscribe();
        // Fails only if the sender is gone, and that is in `self`.
        let gone = open.wait_for(|open| open.first().is_none_or(|first| *first > last)).await;
        debug_assert!(gone.is_ok());
    }

    /// Refuses connections, as a server that is down does, or accepts them again. Open ones
    /// stay.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if it can't listen on the port again.
    pub async fn refuse_connections(&mut self, refuse: bool) -> Result<(), Error> {
        if let Some(accepting) = self.accepting.take_if(|_| refuse) {
            accepting.abort();
            // The listener exists until the task has ended.
            let ended = accepting.await;
            debug_assert!(ended.is_err_and(|e| e.is_cancelled()));
        } else if self.accepting.is_none() && !refuse {
            let listener = bound(self.address)
                .and_then(|socket| socket.listen(BACKLOG))
                .map_err(Error::io("listen on", Path::new(&self.address.to_string())))?;
            self.accepting = Some(tokio::spawn(accept(listener, Arc::clone(&self.shared))));
        }
        Ok(())
    }

    /// Forwards new connections to another server, as an endpoint does after a failover. Open ones
    /// stay.
    pub fn lead_to(&self, server: &Endpoint) {
        self.shared.server.send_replace(server.clone());
    }

    /// Answers the next `count` connections before the server's greeting with error 1040 (08004), "IAM
    /// authentication rate limit exceeded", as RDS Proxy does for MySQL. PostgreSQL's
    /// clients accept no such answer before TLS: its server throttles by itself.
    pub fn throttle_next(&self, count: u32) {
        self.shared.to_throttle.store(count, Ordering::SeqCst);
    }

    /// Accepts new connections for this long without forwarding anything, and forwards them then, as the endpoint of a
    /// paused cluster does while it wakes. Zero ends an earlier order for connections that are not accepted yet.
    pub fn hold(&self, duration: Duration) {
        let until = Instant::now() + duration;
        *self.shared.held_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            AbortHandle::abort(&accepting.abort_handle());
        }
        self.shared.cut.send_modify(|serial| *serial += 1);
    }
}

/// Returns a socket that is bound to the address. Other sockets may be bound to it too, as long as none of
/// them listens.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                // Before it has a number: a cut that waits for the number also reaches it.
                let mut cut = shared.cut.subscribe();
                let number = shared.accepted.load(Ordering::SeqCst) + 1;
                shared.open.send_modify(|open| {
                    open.insert(number);
                });
                // After that, so that a cut waits for it. Only this loop writes.
                shared.accepted.store(number, Ordering::SeqCst);
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let result = tokio::select! {
                        result = serve(client, &shared) => result,
                        // Both results mean the same: the counter was incremented, or the relay is gone.
                        _ = cut.changed() => Ok(()),
                    };
                    if let Err(e) = result {
                        debug!("a relayed connection broke: {e}");
                    }
                    shared.open.send_modify(|open| {
                        open.remove(&number);
                    });
                });
            }
            Err(e) => debug!("could not accept a connection: {e}"),
        }
    }
}

async fn serve(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let throttle = shared.to_throttle.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    if throttle.is_ok() {
        client.write_all(&error_packet(1040, "08004", "IAM authentication rate limit exceeded")).await?;
        return client.shutdown().await;
    }
    let held_until = *shared.held_until.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(until) = held_until {
        tokio::time::sleep_until(until).await;
    }
    let leads_to = shared.server.borrow().clone();
    let (host, port) = (leads_to.host().to_string(), leads_to.port());
    let mut server = TcpStream::connect((host, port)).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// Returns MySQL's `ERR_Packet`, as the first packet of a connection.
fn error_packet(code: u16, sql_state: &str, message: &str) -> Vec<u8> {
    let mut payload = vec![0xff];
    payload.extend(code.to_le_bytes());
    payload.extend([b"#", sql_state.as_bytes(), message.as_bytes()].concat());
    // The length has three bytes, the fourth is the packet's number: 0.
    let length = u32::try_from(payload.len()).unwrap_or(0).to_le_bytes();
    [&length[..3], &[0], &payload].concat()
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use tokio::io::AsyncReadExt;

    use super::*;

    /// Starts an echo server, and returns a relay in front of it.
    async fn echo() -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string().parse().unwrap();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = client.into_split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        Relay::start(address).await.unwrap()
    }

    async fn connect(relay: &Relay) -> io::Result<TcpStream> {
        TcpStream::connect(relay.dial().to_string()).await
    }

    async fn is_relayed(client: &mut TcpStream) -> bool {
        let mut answer = [0; 4];
        client.write_all(b"ping").await.is_ok()
            && client.read_exact(&mut answer).await.is_ok()
            && &answer == b"ping"
    }

    #[tokio::test]
    async fn connections_are_relayed_counted_and_cut() {
        let relay = echo().await;
        let mut client = connect(&relay).await.unwrap();
        assert!(is_relayed(&mut client).await);
        assert_eq!((relay.accepted(), relay.open()), (1, 1));

        relay.cut().await;
        assert_eq!((relay.accepted(), relay.open()), (1, 0));
        assert!(!is_relayed(&mut client).await);
        assert!(is_relayed(&mut connect(&relay).await.unwrap()).await);
    }

    #[tokio::test]
    async fn a_cut_does_not_wait_for_clients_that_connect_again() {
        let relay = echo().await;
        let mut client = connect(&relay).await.unwrap();
        assert!(is_relayed(&mut client).await);
        let mut cutting = pin!(relay.cut());
        assert!(poll_fn(|cx| Poll::Ready(cutting.as_mut().poll(cx).is_pending())).await);

        let mut again = connect(&relay).await.unwrap();
        assert!(is_relayed(&mut again).await);
        tokio::time::timeout(Duration::from_secs(30), cutting).await.expect("only one connection is cut");
        assert!(!is_relayed(&mut client).await);
        assert!(is_relayed(&mut again).await);
        assert_eq!((relay.accepted(), relay.open()), (2, 1));
    }

    #[tokio::test]
    async fn connections_are_refused_and_accepted_again_at_the_same_port() {
        let mut relay = echo().await;
        let mut before = connect(&relay).await.unwrap();
        assert!(is_relayed(&mut before).await);

        relay.refuse_connections(true).await.unwrap();
        relay.refuse_connections(true).await.unwrap();
        assert_eq!(connect(&relay).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(is_relayed(&mut before).await);

        relay.refuse_connections(false).await.unwrap();
        relay.refuse_connections(false).await.unwrap();
        assert!(is_relayed(&mut connect(&relay).await.unwrap()).await);
    }

    #[tokio::test]
    async fn new_connections_are_led_to_another_server() {
        let (relay, other) = (echo().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
        let mut before = connect(&relay).await.unwrap();
        assert!(is_relayed(&mut before).await);
        relay.lead_to(&other.local_addr().unwrap().to_string().parse().unwrap());
        let _client = connect(&relay).await.unwrap();
        other.accept().await.unwrap();
        assert!(is_relayed(&mut before).await);
    }

    #[tokio::test]
    async fn the_next_connections_are_throttled() {
        let relay = echo().await;
        relay.throttle_next(1);
        let mut answer = Vec::new();
        connect(&relay).await.unwrap().read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"\x2f\0\0\0\xff\x10\x04#08004IAM authentication rate limit exceeded");
        assert!(is_relayed(&mut connect(&relay).await.unwrap()).await);
        assert_eq!(relay.accepted(), 2);
    }

    #[tokio::test]
    async fn connections_are_held_for_a_time() {
        let relay = echo().await;
        let duration = Duration::from_millis(200);
        let begun = Instant::now();
        relay.hold(duration);
        let mut held = connect(&relay).await.unwrap();
        assert!(is_relayed(&mut held).await);
        assert!(begun.elapsed() >= duration);

        relay.hold(Duration::from_secs(3600));
        let _held = connect(&relay).await.unwrap();
        while relay.accepted() < 2 {
            tokio::task::yield_now().await;
        }
        relay.cut().await;
        relay.hold(Duration::ZERO);
        assert!(is_relayed(&mut connect(&relay).await.unwrap()).await);
    }
}
