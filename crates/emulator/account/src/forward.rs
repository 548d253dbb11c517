//! A port that forwards to the current machine. It emulates the load balancer, whose address stays while
//! machines are replaced.

use std::io;
use std::net::Ipv4Addr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tracing::debug;

/// A listening port of the loopback address. Dropping it closes it and its connections.
pub(crate) struct Forward {
    port: u16,
    to: watch::Sender<Option<u16>>,
    accepting: JoinHandle<()>,
}

impl Forward {
    /// Opens the port without a target.
    pub(crate) async fn open(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let (to, watched) = watch::channel(None);
        Ok(Self { port, to, accepting: tokio::spawn(accept(listener, watched)) })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Forwards new connections to this port of the loopback address. Open ones are kept.
    pub(crate) fn lead_to(&self, port: u16) {
        self.to.send_replace(Some(port));
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, to: watch::Receiver<Option<u16>>) {
    // Dropping this task also ends its connections.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match (accepted, *to.borrow()) {
                (Ok((client, _)), Some(port)) => drop(connections.spawn(relay(client, port))),
                // No machine is in service.
                (Ok(_), None) => {}
                (Err(e), _) => debug!("a connection was not accepted: {e}"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn relay(mut client: TcpStream, port: u16) {
    let relayed = async {
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        copy_bidirectional(&mut client, &mut server).await
    };
    if let Err(e) = relayed.await {
        debug!("a forwarded connection broke: {e}");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use rds_iam_emulator_server::host::free_port;

    async fn server(word: &'static str) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                client.write_all(word.as_bytes()).await.unwrap();
            }
        });
        port
    }

    async fn read_from(port: u16) -> String {
        let mut text = String::new();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn it_leads_to_one_after_another_and_closes_when_dropped() {
        let forward = Forward::open(free_port().unwrap()).await.unwrap();
        let port = forward.port();
        assert_eq!(read_from(port).await, "");
        for word in ["old", "new"] {
            forward.lead_to(server(word).await);
            assert_eq!(read_from(port).await, word);
        }
        assert!(Forward::open(port).await.is_err());
        drop(forward);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
