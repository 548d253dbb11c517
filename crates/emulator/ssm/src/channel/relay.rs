//! Relays between the WebSocket of a client and the queues of its session, with faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream, Stream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{WebSocket, closing, nonsense};
use crate::agent;
use crate::faults::{Close, Dice, Fate, Faults};
use crate::sessions::{Ended, Service, Session};
use crate::stats::{Counted, count};

/// How long a closed WebSocket is read, so that the client gets everything that was sent before.
const LINGER: Duration = Duration::from_secs(1);

/// The reason why a relay ends.
enum End {
    /// The client closed the WebSocket, or the network did.
    Client,
    /// The session has another WebSocket.
    Superseded,
    /// A fault, or the WebSocket's age.
    Fault(Close),
    Session(Ended),
}

/// Relays on the `number`-th WebSocket of a session until one side ends it.
pub(super) async fn run(service: &Arc<Service>, session: &Arc<Session>, socket: WebSocket, number: u64) {
    let _count = Counted::new(&service.counters.channels);
    let mut current = session.current.subscribe();
    // The WebSocket before this one releases the queue when it sees the new number.
    let mut queue = tokio::select! {
        queue = session.from_agent.lock() => queue,
        _ = current.wait_for(|current| *current != number) => return,
    };
    session.attached.send_replace(true);
    start_agent(service, session);

    let (mut sink, mut stream) = socket.split();
    let begun = Instant::now();
    let relay = Relay { service, session, number, bytes: AtomicU64::new(0) };
    let end = async {
        if sink.send(Message::Binary(closing::start_publication())).await.is_err() {
            return End::Client;
        }
        let nonsense = service.faults.borrow().nonsense.and_then(nonsense::message);
        if let Some(message) = nonsense
            && sink.send(message).await.is_err()
        {
            return End::Client;
        }
        tokio::select! {
            end = relay.control(begun) => end,
            end = relay.up(&mut stream) => end,
            end = relay.down(&mut queue, &mut sink) => end,
        }
    }
    .await;
    if *session.current.borrow() == number {
        session.attached.send_replace(false);
    }
    let mut last = Vec::new();
    if let End::Session(ended) = &end {
        // What the agent has sent before its end.
        last.extend(std::iter::from_fn(|| queue.try_recv().ok()));
        last.push(closing::channel_closed(session, &ended.output));
    }
    // The next WebSocket does not wait for the end of this one, which may be stuck.
    drop(queue);
    if let End::Fault(_) = end {
        count(&service.counters.closed);
    }
    if !matches!(end, End::Client | End::Fault(Close::Abrupt)) {
        tokio::time::timeout(service.settings.timers.close, close(last, &mut sink, &mut stream)).await.ok();
    }
}

/// Starts the agent of a session, once.
fn start_agent(service: &Arc<Service>, session: &Arc<Session>) {
    let Some(side) = session.take_agent() else { return };
    let (service, session) = (Arc::clone(service), Arc::clone(session));
    tokio::spawn(async move {
        let _count = Counted::new(&service.counters.agents);
        tokio::select! {
            output = agent::run(&service, &session, side) => session.end(output, false),
            _ = session.wait_for_end() => {}
        }
    });
}

struct Relay<'a> {
    service: &'a Arc<Service>,
    session: &'a Arc<Session>,
    number: u64,
    /// The bytes in both directions.
    bytes: AtomicU64,
}

impl Relay<'_> {
    /// Waits for an end that neither direction sees.
    async fn control(&self, begun: Instant) -> End {
        let mut faults = self.service.faults.subscribe();
        let mut current = self.session.current.subscribe();
        loop {
            let close = faults.borrow_and_update().close_every;
            tokio::select! {
                ended = self.session.wait_for_end() => return End::Session(ended),
                _ = current.wait_for(|current| *current != self.number) => return End::Superseded,
                _ = faults.changed() => {}
                () = tokio::time::sleep_until(begun + self.service.settings.connection_lifetime) => {
                    return End::Fault(Close::Frame);
                }
                Some(()) = sleep_until(close.map(|age| begun + age)), if self.has_closes() => {
                    if let Some(end) = self.fault_close() {
                        return end;
                    }
                }
            }
        }
    }

    async fn up(&self, stream: &mut SplitStream<WebSocket>) -> End {
        let mut faults = self.service.faults.subscribe();
        let mut dice = Dice::new(faults.borrow().seed, self.number, true);
        let mut delayed = None;
        loop {
            let Some(message) = unless_silent(&mut faults, stream.next()).await else { continue };
            let message = match message {
                Some(Ok(Message::Binary(message))) => message,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Client,
                Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                    continue;
                }
            };
            let now = *faults.borrow();
            if let Some(end) = self.count(&message, &now) {
                return end;
            }
            for message in self.apply(dice.decide(&now), message, &mut delayed) {
                if self.session.to_agent.send(message).await.is_err() {
                    // The agent has ended; `control` sees why.
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    async fn down(&self, queue: &mut mpsc::Receiver<Bytes>, sink: &mut SplitSink<WebSocket, Message>) -> End {
        let mut faults = self.service.faults.subscribe();
        let mut dice = Dice::new(faults.borrow().seed, self.number, false);
        let mut delayed = None;
        loop {
            let Some(message) = unless_silent(&mut faults, queue.recv()).await else { continue };
            let Some(message) = message else { std::future::pending().await };
            let now = *faults.borrow();
            if let Some(end) = self.count(&message, &now) {
                return end;
            }
            for message in self.apply(dice.decide(&now), message, &mut delayed) {
                if sink.feed(Message::Binary(message)).await.is_err() {
                    return End::Client;
                }
            }
            // Many messages are written at once, and the last one of them is not kept back.
            if queue.is_empty() && sink.flush().await.is_err() {
                return End::Client;
            }
        }
    }

    /// Returns the messages to pass on instead of this one.
    fn apply(
        &self,
        fate: Fate,
        message: Bytes,
        delayed: &mut Option<Bytes>,
    ) -> impl Iterator<Item = Bytes> + use<> {
        let counters = &self.service.counters;
        let passing = match fate {
            Fate::Pass => [Some(message), None, delayed.take()],
            Fate::Lose => {
                count(&counters.lost);
                [None, None, None]
            }
            Fate::Repeat => {
                count(&counters.repeated);
                [Some(message.clone()), Some(message), delayed.take()]
            }
            Fate::Delay => [delayed.replace(message), None, None],
        };
        passing.into_iter().flatten()
    }

    /// Counts a message. Returns the end if it is one too many.
    fn count(&self, message: &Bytes, faults: &Faults) -> Option<End> {
        // Stream data, in either direction, keeps the session from being idle.
        if message.get(4..).is_some_and(|kind| kind.starts_with(b"input_") || kind.starts_with(b"output_")) {
            self.session.touch();
        }
        count(&self.service.counters.messages);
        let length = message.len() as u64;
        let bytes = self.bytes.fetch_add(length, Relaxed) + length;
        if faults.close_after.is_some_and(|limit| bytes > limit) { self.fault_close() } else { None }
    }

    fn has_closes(&self) -> bool {
        self.service.faults.borrow().closes > 0
    }

    fn fault_close(&self) -> Option<End> {
        let close = self.service.faults.borrow().close;
        self.service.take_close().then_some(End::Fault(close))
    }
}

/// Sends the last messages and a Close frame.
async fn close(
    last: Vec<Bytes>,
    sink: &mut SplitSink<WebSocket, Message>,
    stream: &mut SplitStream<WebSocket>,
) {
    // The client may have gone.
    for message in last {
        sink.feed(Message::Binary(message)).await.ok();
    }
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    sink.send(Message::Close(Some(frame))).await.ok();
    linger(stream).await;
}

/// Reads and ignores what the client still sends: a connection that is closed with unread data loses what was written.
pub(super) async fn linger(stream: &mut (impl Stream<Item = Result<Message, Error>> + Unpin)) {
    let until_end = async { while let Some(Ok(_)) = stream.next().await {} };
    tokio::time::timeout(LINGER, until_end).await.ok();
}

/// Waits for `next` while the channel is not silent. Returns `None` if it was: nothing of `next` is lost then.
async fn unless_silent<T>(faults: &mut watch::Receiver<Faults>, next: impl Future<Output = T>) -> Option<T> {
    if faults.borrow().silent {
        // The sender lives as long as the service.
        faults.wait_for(|faults| !faults.silent).await.ok()?;
    }
    tokio::select! {
        biased;
        _ = faults.wait_for(|faults| faults.silent) => None,
        next = next => Some(next),
    }
}

/// Waits for a time, and forever without one.
async fn sleep_until(time: Option<Instant>) -> Option<()> {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
    Some(())
}
