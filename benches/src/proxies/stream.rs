//! A session's stream, with or without TLS.

use anyhow::ensure;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader};

/// The most bytes of a read: 64 KB.
const BUFFER: usize = 64 * 1024;

/// A connection with or without TLS.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

pub(super) type Stream = BufReader<Box<dyn Socket>>;

/// Returns a stream that is read in large parts.
pub(super) fn buffered(stream: impl Socket + 'static) -> Stream {
    let stream: Box<dyn Socket> = Box::new(stream);
    BufReader::with_capacity(BUFFER, stream)
}

/// Skips bytes without a copy.
pub(super) async fn skip(stream: &mut Stream, mut count: usize) -> anyhow::Result<()> {
    while count > 0 {
        let available = stream.fill_buf().await?.len();
        ensure!(available > 0, "the connection was closed within an answer");
        let skipped = available.min(count);
        stream.consume(skipped);
        count -= skipped;
    }
    Ok(())
}
