//! Counts the requests that a pool sends: an engine's own figures count other things, and neither engine's all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rds_iam_emulator_server::Server;
use rds_iam_token::Endpoint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::TestEngine;

/// An address that forwards to a server and counts requests: how often a client sends after the server has sent.
#[derive(Clone)]
pub(crate) struct Requests {
    pub(crate) dial: Endpoint,
    count: Arc<AtomicU64>,
}

impl Requests {
    pub(crate) async fn to<DB: TestEngine>(server: &Server<DB>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dial = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
        let requests = Self { dial, count: Arc::default() };
        let (server, count) = (server.dial().to_string(), Arc::clone(&requests.count));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, count) = (server.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    let server = TcpStream::connect(server).await.unwrap();
                    // Either side may hang up first.
                    drop(forward(client, server, &count).await);
                });
            }
        });
        requests
    }

    /// Returns the number of requests so far, those of logins included.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}

/// Forwards in both directions until one side ends.
async fn forward(mut client: TcpStream, mut server: TcpStream, count: &AtomicU64) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut sent, mut answer) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut is_request = false;
    loop {
        tokio::select! {
            read = client.read(&mut sent) => {
                let bytes = &sent[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                if !std::mem::replace(&mut is_request, true) {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                server.write_all(bytes).await?;
            }
            read = server.read(&mut answer) => {
                let bytes = &answer[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                is_request = false;
                client.write_all(bytes).await?;
            }
        }
    }
}
