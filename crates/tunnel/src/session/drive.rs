//! One connection of a session: what is received goes to the channel, and what the channel has to send, to the service.

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{self, Message};

use super::CALL;
use super::connect::Socket;
use super::shared::Shared;
use super::suspension::{PING, Suspension};
use crate::channel::Channel;
use crate::encryption::{DataKey, DataKeys, KeyRequest};
use crate::payloads::Payloads;
use crate::{Call, Options, TunnelError};

/// The messages that are received before others are sent.
const BATCH: usize = 64;

/// The time for the agent to acknowledge that the session ends, as long as it waits itself.
const FAREWELL: Duration = Duration::from_secs(2);

/// The end of a connection.
#[derive(Debug)]
pub(super) enum End {
    /// The connection was lost, for a reason for the log.
    Disconnected(String),
    /// This program ended the session.
    Closed,
    /// The session has ended.
    Failed(TunnelError),
}

impl From<TunnelError> for End {
    fn from(error: TunnelError) -> Self {
        Self::Failed(error)
    }
}

impl From<tungstenite::Error> for End {
    fn from(error: tungstenite::Error) -> Self {
        Self::Disconnected(error.to_string())
    }
}

/// The progress of a handshake: its limit, and the task that waits for it.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) deadline: Instant,
    pub(super) opened: oneshot::Sender<()>,
}

/// The signs of life of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// Nothing was received yet.
    Unknown,
    /// Messages were received, but no pong.
    Messages,
    /// The service answers pings.
    Pongs,
}

/// A connection that is being driven.
pub(super) struct Drive<'a, P> {
    pub(super) channel: &'a mut Channel,
    pub(super) shared: &'a Shared<P>,
    pub(super) socket: &'a mut Socket,
    pub(super) options: &'a Options,
    pub(super) keys: Option<&'a dyn DataKeys>,
    /// The call for the data key that the handshake requires.
    generating: Option<Call<'a, DataKey>>,
    /// `None` once the handshake is complete.
    pub(super) opening: &'a mut Option<Opening>,
    timer: Pin<Box<Sleep>>,
    /// The time of the last message from the service.
    heard: Instant,
    /// The time of the last ping. The first one is sent at once, to learn whether the service answers.
    pinged: Option<Instant>,
    life: Life,
    suspension: Suspension,
    /// Whether the connection accepts no message now.
    is_blocked: bool,
    farewell: Option<Instant>,
}

/// Returns the time of Tokio, which tests can stop.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl<'a, P: Payloads> Drive<'a, P> {
    pub(super) fn new(
        channel: &'a mut Channel,
        shared: &'a Shared<P>,
        socket: &'a mut Socket,
        options: &'a Options,
        keys: Option<&'a dyn DataKeys>,
        opening: &'a mut Option<Opening>,
    ) -> Self {
        let timer = Box::pin(sleep_until(tokio::time::Instant::now()));
        Self {
            channel,
            shared,
            socket,
            options,
            keys,
            generating: None,
            opening,
            timer,
            heard: now(),
            pinged: None,
            life: Life::Unknown,
            suspension: Suspension::new(options.wall_clock, options.silence / 3, now()),
            is_blocked: false,
            farewell: None,
        }
    }

    /// Runs until the connection is lost or the session ends.
    pub(super) async fn run(mut self) -> End {
        std::future::poll_fn(|cx| match self.poll(cx) {
            Ok(()) => Poll::Pending,
            Err(end) => Poll::Ready(end),
        })
        .await
    }

    /// Does all that can be done now. The task is woken when there is more.
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        self.shared.register(cx.waker());
        self.compare_clocks(now())?;
        loop {
            let now = now();
            self.advance(now)?;
            self.generate_key(cx);
            // Both, whatever the first returns.
            if !(self.send(cx, now)? | self.receive(cx, now)?) {
                break;
            }
        }
        if let Poll::Ready(Err(error)) = self.socket.poll_flush_unpin(cx) {
            return Err(error.into());
        }
        let next = tokio::time::Instant::from_std(self.next_timeout());
        // A timer that fires early costs less than one that is set for each message.
        if next < self.timer.deadline() || self.timer.is_elapsed() {
            self.timer.as_mut().reset(next);
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Sends what the channel has, while the connection accepts it. Returns whether anything was sent.
    fn send(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, End> {
        let mut sent = false;
        loop {
            let ready = self.socket.poll_ready_unpin(cx);
            self.is_blocked = ready.is_pending();
            let Poll::Ready(ready) = ready else { break };
            ready?;
            let message = if self.suspension.should_ping() {
                // Before all that waits to be sent: its answer has a limit.
                Message::Ping(Bytes::from_static(PING))
            } else {
                let next = self.channel.next_message(now, &mut self.shared.lock().payloads)?;
                match next {
                    Some(bytes) => Message::Binary(bytes),
                    None if self.should_ping(now) => Message::Ping(Bytes::from_static(b"keepalive")),
                    None => break,
                }
            };
            self.socket.start_send_unpin(message)?;
            sent = true;
        }
        Ok(sent)
    }

    /// Receives some messages, if the channel accepts them. Returns whether there was any.
    fn receive(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, End> {
        for count in 0..BATCH {
            if !self.channel.wants_input(&mut self.shared.lock().payloads) {
                return Ok(count > 0);
            }
            let Poll::Ready(message) = self.socket.poll_next_unpin(cx) else { return Ok(count > 0) };
            let Some(message) = message else {
                return Err(End::Disconnected("the connection ended".to_owned()));
            };
            let message = message?;
            self.heard = now;
            if let Message::Pong(payload) = &message {
                self.life = Life::Pongs;
                self.suspension.receive_pong(payload);
            } else if self.life == Life::Unknown {
                self.life = Life::Messages;
            }
            match message {
                Message::Binary(bytes) => {
                    self.channel.receive(&bytes, now, &mut self.shared.lock().payloads)?;
                }
                Message::Text(_) => self.channel.count_malformed(&"text"),
                Message::Close(frame) => {
                    let reason = frame.map_or_else(String::new, |frame| format!(": {frame}"));
                    return Err(End::Disconnected(format!("the service closed it{reason}")));
                }
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        Ok(true)
    }

    /// Finds out whether the machine was suspended. If so, a service that answers pings has to answer one soon. Another
    /// one cannot be asked, so the session is resumed at once.
    fn compare_clocks(&mut self, now: Instant) -> Result<(), End> {
        if self.suspension.is_noticed(now) {
            if self.life == Life::Messages {
                return Err(End::Disconnected("the machine was suspended".to_owned()));
            }
            self.suspension.ask(now);
        }
        Ok(())
    }

    /// Does what the time and the program require.
    fn advance(&mut self, now: Instant) -> Result<(), End> {
        let mut state = self.shared.lock();
        // What was kept while a stream was full.
        self.channel.process(now, &mut state.payloads)?;
        self.channel.advance(now, &mut state.payloads);
        if self.channel.is_open() {
            if let Some(opening) = self.opening.take()
                && opening.opened.send(()).is_err()
            {
                // A caller that has gone closes the session, too.
                tracing::debug!("no task waits for the session");
            }
        } else if self.opening.as_ref().is_some_and(|opening| opening.deadline <= now) {
            return Err(End::Failed(overdue(self.channel, self.options)));
        }
        if !self.channel.wants_input(&mut state.payloads) {
            // The service is silent because nothing is read.
            self.heard = now;
            self.suspension.postpone(now);
        }
        if now >= self.heard + self.silence_limit() {
            return Err(End::Disconnected("the service was silent for too long".to_owned()));
        }
        if self.suspension.is_unanswered(now) {
            return Err(End::Disconnected("the service did not answer after a suspension".to_owned()));
        }
        if state.is_closing {
            self.channel.terminate();
            let limit = *self.farewell.get_or_insert(now + FAREWELL);
            if self.channel.is_terminated() || !self.channel.is_open() || limit <= now {
                return Err(End::Closed);
            }
        }
        Ok(())
    }

    /// Calls for the data key, if the handshake waits for one.
    fn generate_key(&mut self, cx: &mut Context<'_>) {
        if self.generating.is_none()
            && let (Some(request), Some(keys)) = (self.channel.key_request(), self.keys)
        {
            self.generating = Some(generate(keys, request.clone()));
        }
        if let Some(call) = &mut self.generating
            && let Poll::Ready(key) = call.as_mut().poll(cx)
        {
            self.generating = None;
            self.channel.set_key(key);
        }
    }

    /// Returns whether a ping is sent now.
    fn should_ping(&mut self, now: Instant) -> bool {
        let asks = self.next_ping() <= now;
        if asks {
            self.pinged = Some(now);
        }
        asks
    }

    fn next_ping(&self) -> Instant {
        self.pinged.map_or(self.heard, |pinged| pinged.max(self.heard) + self.options.silence)
    }

    /// Returns the silence after which the connection is taken to be lost. It is longer for a service that never
    /// answered a ping: it may have nothing else to send.
    fn silence_limit(&self) -> Duration {
        match self.life {
            Life::Unknown | Life::Pongs => 3 * self.options.silence,
            Life::Messages => 20 * self.options.silence,
        }
    }

    fn next_timeout(&self) -> Instant {
        let lost = (self.heard + self.silence_limit()).min(self.suspension.next_timeout());
        let opening = self.opening.as_ref().map(|opening| opening.deadline);
        let state = self.shared.lock();
        let channel = if self.is_blocked {
            // What has to be sent waits for the connection, not for the time.
            state.payloads.next_timeout()
        } else {
            self.channel.next_timeout(&state.payloads).into_iter().chain([self.next_ping()]).min()
        };
        [opening, channel, self.farewell].into_iter().flatten().fold(lost, Instant::min)
    }
}

fn generate(keys: &dyn DataKeys, request: KeyRequest) -> Call<'_, DataKey> {
    Box::pin(async move {
        timeout(CALL, keys.generate(&request)).await.unwrap_or_else(|_| Err("no answer within 30 s".into()))
    })
}

/// Returns the error of a handshake that took too long, whose reason may be KMS.
fn overdue(channel: &Channel, options: &Options) -> TunnelError {
    let target = channel.target().to_owned();
    match channel.key_request() {
        Some(request) => {
            let limit = options.handshake.as_secs();
            let source = format!("KMS did not answer before the handshake's limit of {limit} s").into();
            TunnelError::DataKey { target, key_id: request.key_id.clone(), source }
        }
        None => no_handshake(target, options, channel.malformed()),
    }
}

/// Returns the error of a handshake that took too long at the agent.
pub(super) fn no_handshake(target: String, options: &Options, malformed: u64) -> TunnelError {
    TunnelError::NoHandshake { target, after: options.handshake, malformed }
}
