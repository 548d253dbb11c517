//! The handle of a stream.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::shared::{Shared, wake};
use crate::streams::Streams;

/// A connection through a tunnel.
///
/// The protocol has no half-close: [`shutdown`](tokio::io::AsyncWriteExt::shutdown) sends what was written, and then
/// closes the database's connection in both directions. What the database has sent before can still be read. Errors of
/// reads and writes contain a [`StreamError`](crate::StreamError). Dropping the stream closes it.
#[derive(Debug)]
pub struct TunnelStream {
    shared: Arc<Shared<Streams>>,
    id: u32,
}

impl TunnelStream {
    pub(super) fn new(shared: Arc<Shared<Streams>>, id: u32) -> Self {
        Self { shared, id }
    }
}

impl AsyncRead for TunnelStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let now = Instant::now().into_std();
        let mut changed = false;
        let mut state = self.shared.lock();
        let read = state.payloads.poll_read(self.id, cx, buffer, now, &mut changed);
        let task = if changed { state.task() } else { None };
        drop(state);
        wake(task);
        read
    }
}

impl AsyncWrite for TunnelStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.shared.lock();
        let written = state.payloads.poll_write(self.id, cx, data);
        let task = state.task();
        drop(state);
        wake(task);
        written
    }

    /// Does nothing: what was written is sent without delay.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.shared.lock();
        state.payloads.end(self.id);
        let task = state.task();
        drop(state);
        wake(task);
        Poll::Ready(Ok(()))
    }
}

impl Drop for TunnelStream {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.payloads.drop_stream(self.id);
        let task = state.task();
        drop(state);
        wake(task);
    }
}
