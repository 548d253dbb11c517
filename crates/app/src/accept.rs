//! The accept loop: HTTP/1 on one port, with limits on the number of clients and the time of each phase.
//! docs/adr/0015-accept-loop.md has the reasons why it is not axum's.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::http::{Request, Response};
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rds_iam_report::ErrorReport;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::clients::{Admitted, Client, ClientLimits, Clients};

/// The largest request head: 64 KiB, as much as a load balancer forwards.
const HEAD_LIMIT: usize = 64 * 1024;

/// Serves `router` on an open port, without end. Each connection runs in a task and is registered in `connections`.
pub(crate) async fn accept(
    mut listener: TcpListener,
    router: Router,
    limits: ClientLimits,
    connections: &GracefulShutdown,
) {
    let clients = Clients::new(limits);
    let mut http = http1::Builder::new();
    // `Clients` enforces the time limits. hyper has only one.
    http.header_read_timeout(None).max_buf_size(HEAD_LIMIT);
    let router = TowerToHyperService::new(router);
    let accepting = async {
        loop {
            // axum's `accept` waits and continues after errors such as too many open files.
            let (stream, peer) = Listener::accept(&mut listener).await;
            // Answers are small: each is sent as soon as it is written.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
            let admitted = clients.admit(peer.ip()).await;
            let client = Arc::clone(&admitted.client);
            let service = service_fn({
                let router = router.clone();
                move |request| answer(router.clone(), Arc::clone(&client), request)
            });
            let stream = Observed { stream, client: Arc::clone(&admitted.client) };
            let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
            tokio::spawn(serve(connection, admitted));
        }
    };
    tokio::select! {
        () = accepting => {}
        () = clients.enforce_limits() => {}
    }
}

async fn serve(connection: impl Future<Output = hyper::Result<()>>, admitted: Admitted) {
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::debug!(error = %ErrorReport(&error), "a connection ended badly");
        },
        // Dropping the connection closes it.
        () = admitted.client.disconnected() => {}
    }
}

async fn answer(
    router: TowerToHyperService<Router>,
    client: Arc<Client>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    client.requested();
    request.extensions_mut().insert(Arc::clone(&client));
    let mut response = router.call(request).await?;
    if client.is_old() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    client.answered();
    Ok(response)
}

/// A client's stream that records when the client sends and when it does not read.
struct Observed {
    stream: TcpStream,
    client: Arc<Client>,
}

impl Observed {
    fn written<T>(&self, written: Poll<T>) -> Poll<T> {
        if written.is_pending() {
            self.client.blocked();
        }
        written
    }
}

impl AsyncRead for Observed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.client.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Observed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes once it has written everything.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.client.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Observed {
    /// Resets a connection whose client does not read, so that the kernel does not keep the unread bytes.
    fn drop(&mut self) {
        if self.client.is_blocked()
            && let Err(error) = self.stream.set_zero_linger()
        {
            tracing::debug!(%error, "SO_LINGER could not be set");
        }
    }
}
