//! Streams in memory, and the executor of drivers.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most polls of one input. Each moves a byte, or ends a pause.
const MAX_POLLS: usize = 1_000_000;

/// The end of a peer's script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer closes.
    #[default]
    Close,
    /// Reading fails.
    Fail(io::ErrorKind),
    /// The peer sends nothing more, and waits.
    Stay,
}

/// The sizes of reads and writes, and the end of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// The size of the first read; 0 for no limit.
    pub(crate) first: usize,
    /// The size of each read after it; 0 for no limit.
    pub(crate) read: usize,
    /// The size of each write; 0 for no limit.
    pub(crate) write: usize,
    /// Whether each read and write has to be repeated once before it is done.
    pub(crate) pauses: bool,
    pub(crate) end: End,
    /// The number of bytes after which writing fails, or writes nothing.
    pub(crate) accepts: Option<usize>,
    pub(crate) writes_nothing: bool,
}

/// A connection whose peer sends a script, whatever it receives.
#[derive(Debug)]
pub(crate) struct Scripted {
    pace: Pace,
    script: Vec<u8>,
    read: usize,
    /// Whether reading and writing have paused.
    has_paused: [bool; 2],
    is_shut: bool,
    /// The bytes that the peer has received.
    pub(crate) written: Vec<u8>,
}

impl Scripted {
    pub(crate) fn new(script: &[u8], pace: Pace) -> Self {
        Self {
            pace,
            script: script.to_vec(),
            read: 0,
            has_paused: [false; 2],
            is_shut: false,
            written: Vec::new(),
        }
    }

    /// Returns whether a write has failed, so that the peer may lack bytes.
    pub(crate) fn is_broken(&self) -> bool {
        self.pace.accepts == Some(self.written.len())
    }

    /// Returns whether to wait, which each operation does once.
    fn pauses(&mut self, operation: usize, cx: &Context<'_>) -> bool {
        let has_paused = &mut self.has_paused[operation];
        *has_paused = self.pace.pauses && !*has_paused;
        if *has_paused {
            cx.waker().wake_by_ref();
        }
        *has_paused
    }
}

fn limited(size: usize, limit: usize) -> usize {
    if limit == 0 { size } else { size.min(limit) }
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.pauses(0, cx) {
            return Poll::Pending;
        }
        let limit = if self.read == 0 { self.pace.first } else { self.pace.read };
        let rest = &self.script[self.read..];
        if rest.is_empty() {
            return match self.pace.end {
                End::Close => Poll::Ready(Ok(())),
                End::Fail(kind) => Poll::Ready(Err(kind.into())),
                End::Stay => Poll::Pending,
            };
        }
        let size = limited(rest.len().min(buffer.remaining()), limit);
        buffer.put_slice(&rest[..size]);
        self.read += size;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.pauses(1, cx) {
            return Poll::Pending;
        }
        if self.is_shut {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut size = limited(bytes.len(), self.pace.write);
        if let Some(accepts) = self.pace.accepts {
            size = size.min(accepts - self.written.len());
            if size == 0 && !bytes.is_empty() && !self.pace.writes_nothing {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
        }
        self.written.extend_from_slice(&bytes[..size]);
        Poll::Ready(Ok(size))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_shut = true;
        Poll::Ready(Ok(()))
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls until `poll` returns a result.
///
/// # Panics
/// If it waits for an event that never comes, or does not end.
pub(crate) fn run_poll<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    for _ in 0..MAX_POLLS {
        if let Poll::Ready(result) = poll(&mut cx) {
            return result;
        }
        assert!(woken.0.swap(false, Ordering::Relaxed), "it waits, and nothing will wake it");
    }
    panic!("it does not end");
}

/// Runs a future to its end, with the same panics.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    run_poll(|cx| future.as_mut().poll(cx))
}
