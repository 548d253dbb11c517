//! The signals that end a session of `shell`, `tunnel` and `connect --via`.

use std::future::poll_fn;
use std::io;
use std::process::ExitCode;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end this program. In raw mode, no key sends one.
pub(crate) struct Signals([(SignalKind, Signal); 4]);

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        let listen = |kind| Ok::<_, io::Error>((kind, signal(kind)?));
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
            listen(SignalKind::quit())?,
        ]))
    }

    /// Waits for a signal.
    pub(crate) async fn next(&mut self) -> SignalKind {
        poll_fn(|cx| {
            let received =
                |(kind, signal): &mut (SignalKind, Signal)| signal.poll_recv(cx).is_ready().then_some(*kind);
            self.0.iter_mut().find_map(received).map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Returns the exit status of a program that a signal has ended.
pub(crate) fn status(kind: SignalKind) -> ExitCode {
    u8::try_from(128 + kind.as_raw_value()).map_or(ExitCode::FAILURE, Into::into)
}
