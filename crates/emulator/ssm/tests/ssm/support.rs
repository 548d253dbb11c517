//! Calls of the API by hand, and targets.

use std::net::SocketAddr;

use rds_iam_emulator_ssm::{Emulator, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const INSTANCE: &str = "i-0123456789abcdef0";
pub(crate) const REMOTE_HOST: &str = "AWS-StartPortForwardingSessionToRemoteHost";

/// A host that the agents of the tests can reach.
pub(crate) const HOST: &str = "shop.internal";
pub(crate) const PORT: u16 = 3306;

/// Returns the settings with one instance, whose agent finds `target` as [`HOST`].
pub(crate) fn settings(target: SocketAddr) -> Settings {
    let settings = Settings::with_instance(INSTANCE);
    settings.hosts.set(HOST, PORT, vec![target]);
    settings
}

/// Returns the settings with one instance, whose agent runs commands.
pub(crate) fn with_commands() -> Settings {
    Settings { runs_commands: true, ..Settings::with_instance(INSTANCE) }
}

/// Returns the request of a session to [`HOST`].
pub(crate) fn to_host() -> Value {
    json!({
        "Target": INSTANCE,
        "DocumentName": REMOTE_HOST,
        "Parameters": { "host": [HOST], "portNumber": [PORT.to_string()] },
    })
}

/// Calls an operation over HTTP. Returns the status and the body.
pub(crate) async fn call(emulator: &Emulator, operation: &str, body: &Value) -> (u16, Value) {
    let (status, _, body) = post(&emulator.endpoint(), operation, &body.to_string()).await;
    (status, serde_json::from_str(&body).unwrap())
}

/// Sends a request over HTTP. Returns the status, the headers and the body.
pub(crate) async fn post(endpoint: &str, operation: &str, body: &str) -> (u16, String, String) {
    let address = endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nX-Amz-Target: AmazonSSM.{operation}\r\nConnection: close\r\n\
         Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

/// Starts a target that sends back what it receives.
pub(crate) async fn echo() -> SocketAddr {
    target(|mut stream| async move {
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.ok();
    })
    .await
}

/// Starts a target that serves each connection with `serve`.
pub(crate) async fn target<F, S>(serve: S) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(TcpStream) -> F + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// Returns an address that refuses connections.
pub(crate) async fn refusing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// Waits until the counts satisfy a condition.
pub(crate) async fn wait_for_stats(
    emulator: &Emulator,
    check: impl Fn(&rds_iam_emulator_ssm::Stats) -> bool,
) {
    let wait = async {
        while !check(&emulator.stats()) {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(20), wait).await;
    assert!(in_time.is_ok(), "{:?}", emulator.stats());
}

/// Returns bytes that differ everywhere.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(length as u64);
    (0..length).map(|_| random.u8(..)).collect()
}
