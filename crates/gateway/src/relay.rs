//! Bytes in both directions after the login. A connection that waits holds no buffer: bytes are read into one that all
//! sessions of a thread share, and only what the other side does not accept at once is kept, in at most 64 KiB.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, timeout};

use crate::limit::LAST_BYTES;
use crate::{Followed, Frames};

/// The most bytes that are read before they are written: 64 KiB, four records of TLS.
const BUFFER: usize = 64 * 1024;

/// The most bytes of one record of TLS. A read continues only while this many fit in.
const RECORD: usize = 16 * 1024;

thread_local! {
    static SHARED: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into_boxed_slice());
}

/// The end of a session.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ended {
    /// The client closed its connection.
    Client,
    /// The database closed its connection.
    Upstream,
    /// A request of the client was refused. The message in it is the answer: [`Relay::close`] sends it.
    Refused(Vec<u8>),
    /// The client's connection failed.
    ClientFailed(io::Error),
    /// The database's connection failed.
    UpstreamFailed(io::Error),
}

/// A session after its login. [`run`](Self::run) may be dropped and called again: no byte is lost.
pub struct Relay<C, U, Q, A> {
    client: C,
    upstream: U,
    requests: Direction<Q>,
    answers: Direction<A>,
}

impl<C, U, Q, A> Relay<C, U, Q, A>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
    Q: Frames + Unpin,
    A: Frames + Unpin,
{
    /// Creates the relay of two connections whose login is complete.
    pub fn new(client: C, upstream: U, requests: Q, answers: A) -> Self {
        Self { client, upstream, requests: Direction::new(requests), answers: Direction::new(answers) }
    }

    /// Forwards bytes until one side closes, or a request is refused.
    pub async fn run(&mut self) -> Ended {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// Returns the time at which a byte was last received from either side.
    pub fn last_active(&self) -> Instant {
        self.requests.active.max(self.answers.active)
    }

    /// Returns whether the last bytes were the client's: a statement runs.
    pub(crate) fn awaits_answer(&self) -> bool {
        self.requests.active > self.answers.active
    }

    /// Counts the bytes from now on that are received from the client, and from the database.
    pub(crate) fn count(&mut self, from_client: Counter, from_database: Counter) {
        self.requests.bytes = from_client;
        self.answers.bytes = from_database;
    }

    /// Returns the bytes received from the client, and those from the database.
    pub fn received(&self) -> (u64, u64) {
        (self.requests.bytes.get(), self.answers.bytes.get())
    }

    /// Closes both connections. The client is sent `farewell`, an error message, if no other message is incomplete. A peer
    /// that takes nothing any more is waited for at most 5 seconds.
    pub async fn close(mut self, farewell: &[u8]) {
        let is_whole = self.answers.is_between_messages();
        let (client, upstream) = (&mut self.client, &mut self.upstream);
        let to_client = async {
            if is_whole {
                // A client that has gone does not need the message.
                drop(client.write_all(farewell).await);
            }
            client.shutdown().await
        };
        // The other connection is closed in any case.
        let (_client, _upstream) =
            tokio::join!(timeout(LAST_BYTES, to_client), timeout(LAST_BYTES, upstream.shutdown()));
    }

    /// Closes the client's connection, and returns that of the database if every byte of both directions has been written and
    /// the database's last message is complete: it can serve another client once its session has been reset.
    pub async fn release(mut self) -> Option<U> {
        if !self.requests.kept.is_empty() || !self.answers.is_between_messages() {
            self.close(&[]).await;
            return None;
        }
        drop(timeout(LAST_BYTES, self.client.shutdown()).await);
        Some(self.upstream)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let Self { client, upstream, requests, answers } = self;
        // Answers first: a client that closed may have been sent the reason.
        let answered = answers.poll(cx, upstream, client);
        let requested = requests.poll(cx, client, upstream);
        match (answered, requested) {
            (Poll::Ready(Step::Closed), _) => Poll::Ready(Ended::Upstream),
            (Poll::Ready(Step::ReadFailed(error)), _) => Poll::Ready(Ended::UpstreamFailed(error)),
            (Poll::Ready(Step::WriteFailed(error)), _) => Poll::Ready(Ended::ClientFailed(error)),
            (_, Poll::Ready(Step::Closed)) => Poll::Ready(Ended::Client),
            (_, Poll::Ready(Step::ReadFailed(error))) => Poll::Ready(Ended::ClientFailed(error)),
            (_, Poll::Ready(Step::WriteFailed(error))) => Poll::Ready(Ended::UpstreamFailed(error)),
            (_, Poll::Ready(Step::Refused(answer))) => Poll::Ready(Ended::Refused(answer)),
            // The database's message can't be followed, which only its end reports to the client.
            (Poll::Ready(Step::Refused(_)), _) => Poll::Ready(Ended::Upstream),
            (Poll::Pending, Poll::Pending) => Poll::Pending,
        }
    }
}

/// The bytes that go one way.
struct Direction<F> {
    frames: F,
    /// Bytes that were read and are not yet written: those from `written` on.
    kept: Vec<u8>,
    written: usize,
    is_flushed: bool,
    /// The end of this direction, reported once everything before it has been written.
    end: Option<Step>,
    active: Instant,
    bytes: Counter,
}

/// The end of a direction.
#[derive(Debug)]
enum Step {
    Closed,
    ReadFailed(io::Error),
    WriteFailed(io::Error),
    Refused(Vec<u8>),
}

impl<F: Frames> Direction<F> {
    fn new(frames: F) -> Self {
        Self {
            frames,
            kept: Vec::new(),
            written: 0,
            is_flushed: true,
            end: None,
            active: Instant::now(),
            bytes: Counter::default(),
        }
    }

    fn is_between_messages(&self) -> bool {
        self.kept.is_empty() && self.is_flushed && self.frames.is_between_messages()
    }

    /// Forwards what is there, until one side has to be waited for.
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<Step>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            if let Err(error) = ready!(self.poll_write_kept(cx, to)) {
                return Poll::Ready(Step::WriteFailed(error));
            }
            if let Some(end) = self.end.take() {
                return Poll::Ready(end);
            }
            let passed = SHARED.with_borrow_mut(|buffer| self.poll_pass(cx, from, to, buffer));
            if let Err(error) = ready!(passed) {
                return Poll::Ready(Step::WriteFailed(error));
            }
        }
    }

    fn poll_write_kept<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
    ) -> Poll<io::Result<()>> {
        while self.written < self.kept.len() {
            let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.kept[self.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        if !self.kept.is_empty() {
            // Its memory, too, is given back.
            self.kept = Vec::new();
            self.written = 0;
        }
        if !self.is_flushed {
            ready!(Pin::new(&mut *to).poll_flush(cx))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads into `buffer` and writes as much of that as `to` accepts; keeps the rest. Pending if nothing can be read.
    fn poll_pass<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        buffer: &mut [u8],
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut read = ReadBuf::new(buffer);
        while read.remaining() >= RECORD && self.end.is_none() {
            let before = read.filled().len();
            match Pin::new(&mut *from).poll_read(cx, &mut read) {
                Poll::Pending if before == 0 => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Ok(())) if read.filled().len() == before => self.end = Some(Step::Closed),
                Poll::Ready(Ok(())) => {}
                // The peer left without TLS's last message: MySQL's clients and servers do.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.end = Some(Step::Closed);
                }
                Poll::Ready(Err(error)) => self.end = Some(Step::ReadFailed(error)),
            }
        }
        let mut bytes = read.filled();
        if bytes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.active = Instant::now();
        self.bytes.inc_by(bytes.len() as u64);
        if let Followed::Refuse { forward, answer } = self.frames.follow(bytes) {
            bytes = &bytes[..forward];
            self.end = Some(Step::Refused(answer));
        }
        self.is_flushed = bytes.is_empty();
        while !bytes.is_empty() {
            match Pin::new(&mut *to).poll_write(cx, bytes) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => bytes = &bytes[written..],
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.kept = bytes.to_vec();
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
