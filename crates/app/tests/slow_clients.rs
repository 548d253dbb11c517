//! Tests of clients that hold connections without completing requests, against the program with its default
//! limits.

#[path = "common/program.rs"]
mod program;

use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use program::{Program, status};

/// More than the maximum number of clients.
const CLIENTS: usize = 600;

/// The longest time that another client may wait.
const WITHIN: Duration = Duration::from_secs(30);

/// Asserts that others are answered while clients of this kind connect again as soon as they are cut.
async fn withstands<F>(attack: impl Fn(TcpStream) -> F + Copy + Send + 'static)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let Program { people, machines, .. } = &Program::start(&[]).await;
    let address: std::net::SocketAddr = people.parse().unwrap();
    let mut attackers = JoinSet::new();
    for _ in 0..CLIENTS {
        let mut stream = Some(connect(address).await.unwrap());
        attackers.spawn(async move {
            loop {
                if let Some(stream) = stream.take() {
                    let _cut = attack(stream).await;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                stream = connect(address).await.ok();
            }
        });
    }
    for (address, path) in [(people, "/style.css"), (machines, "/livez"), (people, "/style.css")] {
        let asking = tokio::time::timeout(WITHIN, async {
            loop {
                match status(address, path).await {
                    Ok(status) => return status,
                    // Cut: what a browser would do is to try again.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        let status = asking.await.unwrap_or_else(|_| panic!("no answer to {path} for {WITHIN:?}"));
        assert_eq!(status, 200, "{path}");
    }
}

/// Connects with a small receive buffer, so that what is not read stays with the server.
async fn connect(address: std::net::SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(2048)?;
    socket.connect(address).await
}

/// Returns when the service has closed the connection, without reading much.
async fn cut(stream: &TcpStream) -> std::io::Result<()> {
    stream.ready(tokio::io::Interest::ERROR).await.map(drop)
}

/// Sends `head`, then a byte a second.
async fn trickle(mut stream: TcpStream, head: &'static str) -> std::io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    let mut answer = [0; 64];
    loop {
        tokio::select! {
            read = stream.read(&mut answer) => if read? == 0 { return Ok(()) },
            () = tokio::time::sleep(Duration::from_secs(1)) => stream.write_all(b"a").await?,
        }
    }
}

#[tokio::test]
async fn clients_that_never_read_keep_no_other_out() {
    let never_read = |mut stream: TcpStream| async move {
        let requests = "GET /style.css HTTP/1.1\r\nhost: a\r\n\r\n".repeat(3000);
        stream.write_all(requests.as_bytes()).await?;
        cut(&stream).await
    };
    withstands(never_read).await;
}

#[tokio::test]
async fn clients_that_never_write_keep_no_other_out() {
    let never_write = |mut stream: TcpStream| async move { stream.read(&mut [0; 64]).await.map(drop) };
    withstands(never_write).await;
}

#[tokio::test]
async fn clients_that_write_a_byte_of_a_head_a_second_keep_no_other_out() {
    withstands(|stream| trickle(stream, "GET /style.css?")).await;
}

#[tokio::test]
async fn clients_that_write_a_byte_of_a_body_a_second_keep_no_other_out() {
    const HEAD: &str = "POST /api/insert HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                        content-length: 10000\r\n\r\n";
    withstands(|stream| trickle(stream, HEAD)).await;
}
