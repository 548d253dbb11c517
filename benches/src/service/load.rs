//! Load generator for HTTP: repeats one request over connections that stay open, one at a time per
//! connection, checks the responses and counts the requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The number of connections, each with one active request.
pub(super) const CONNECTIONS: usize = 32;

/// The time before the measurement, for the pool to open its connections and for caches to fill.
pub(super) const WARM_UP: Duration = Duration::from_secs(2);

/// The time of a measurement, unless [`MAX_REQUESTS`] come first.
pub(super) const MEASURED: Duration = Duration::from_secs(10);

/// The maximum number of requests in one run.
const MAX_REQUESTS: u64 = 1_000_000;

/// The request that is repeated, and the check of its response.
pub(super) struct Ask {
    pub(super) name: &'static str,
    method: Method,
    path: &'static str,
    body: &'static str,
    status: StatusCode,
    /// The text that the body must contain, and the number of occurrences.
    holds: (&'static str, usize),
}

/// The request for the page with ten messages.
pub(super) static PAGE: Ask = Ask {
    name: "GET /",
    method: Method::GET,
    path: "/",
    body: "",
    status: StatusCode::OK,
    holds: ("<li>", crate::database::MESSAGES),
};

/// The request that stores one message.
pub(super) static INSERT: Ask = Ask {
    name: "POST /api/insert",
    method: Method::POST,
    path: "/api/insert",
    body: r#"{"message":"A message of the usual length."}"#,
    status: StatusCode::CREATED,
    holds: ("created_at", 1),
};

type Sender = SendRequest<Full<Bytes>>;

/// Open connections to one address.
pub(super) struct Load {
    address: Arc<str>,
    senders: Vec<Sender>,
}

/// The result of a run.
pub(super) struct Done {
    pub(super) requests: u64,
    pub(super) took: Duration,
}

impl Load {
    pub(super) async fn connect(address: &str) -> anyhow::Result<Self> {
        let mut senders = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            senders.push(connect(address).await?);
        }
        Ok(Self { address: address.into(), senders })
    }

    /// Sends requests on every connection until the time is over. One wrong response ends the run: a failing
    /// service is fast.
    pub(super) async fn run(&mut self, ask: &'static Ask, time: Duration) -> anyhow::Result<Done> {
        let taken = Arc::new(AtomicU64::new(0));
        let start = Instant::now();
        let mut clients = JoinSet::new();
        for mut sender in self.senders.drain(..) {
            let (address, taken) = (Arc::clone(&self.address), Arc::clone(&taken));
            clients.spawn(async move {
                let mut done = 0;
                while start.elapsed() < time && taken.fetch_add(1, Relaxed) < MAX_REQUESTS {
                    let (status, body) = send(&mut sender, &address, ask).await?;
                    ensure!(status == ask.status, "{} answered {status}", ask.name);
                    // Once per connection is enough, and costs no time that others need.
                    if done == 0 {
                        let (text, times) = ask.holds;
                        let found = String::from_utf8_lossy(&body).matches(text).count();
                        ensure!(found == times, "{} answered with {found} of {times} {text:?}", ask.name);
                    }
                    done += 1;
                }
                Ok((sender, done))
            });
        }
        let mut requests = 0;
        while let Some(client) = clients.join_next().await {
            let (sender, done) = client??;
            self.senders.push(sender);
            requests += done;
        }
        Ok(Done { requests, took: start.elapsed() })
    }
}

/// Requests `path` once, over a separate connection.
pub(super) async fn get(address: &str, path: &'static str) -> anyhow::Result<(StatusCode, Bytes)> {
    let ask = Ask { name: path, method: Method::GET, path, body: "", status: StatusCode::OK, holds: ("", 0) };
    let response = async { send(&mut connect(address).await?, address, &ask).await };
    response.await.with_context(|| format!("requesting {path}"))
}

async fn connect(address: &str) -> anyhow::Result<Sender> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Its errors appear in the responses.
    drop(tokio::spawn(connection));
    Ok(sender)
}

async fn send(sender: &mut Sender, address: &str, ask: &Ask) -> anyhow::Result<(StatusCode, Bytes)> {
    let mut request = Request::builder().method(&ask.method).uri(ask.path).header(HOST, address);
    if !ask.body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = Full::new(Bytes::from_static(ask.body.as_bytes()));
    sender.ready().await?;
    let answer = sender.send_request(request.body(body)?).await?;
    let status = answer.status();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}
