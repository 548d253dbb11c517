//! A tunnel: one or more sessions, and the streams that are spread over them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{select_all, select_ok};
use rustls::ClientConfig;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::session::{Backoff, Session, Settings};
use crate::streams::Streams;
use crate::{Api, Options, Remote, StartRequest, TunnelError, TunnelStream};

/// A tunnel to a host behind a managed instance. Clones share it. It ends when it is [closed](Self::close), or when the
/// last clone is dropped.
///
/// Its sessions are resumed whenever the service closes their connections; streams do not notice. A session that the
/// service, an operator or a long idle time has ended fails its streams. The next stream starts another session, and
/// waits for it only if no other session runs.
#[derive(Clone)]
pub struct Tunnel {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    remote: Remote,
    state: Mutex<State>,
    /// Held by the connection that is opened now, so that those that wait for a free session keep their order.
    turn: tokio::sync::Mutex<()>,
    /// Wakes that connection at the end of each attempt to replace a session.
    tried: Notify,
}

struct State {
    slots: Vec<Slot>,
    /// The tasks of the attempts, which end with the tunnel. `None` once it is closed.
    tasks: Option<JoinSet<()>>,
}

/// The permit for one session, which is replaced when it has ended.
struct Slot {
    session: Arc<Session>,
    /// Whether its end is in the log.
    is_noted: bool,
    /// The attempt that is in progress.
    attempt: Option<Attempt>,
    backoff: Backoff,
    /// The end of the last attempt, and the pause after it.
    tried: Option<Instant>,
    pause: Duration,
}

type Outcome = Result<Arc<Session>, Arc<TunnelError>>;

/// An attempt to replace a session. It has no outcome while it is in progress.
type Attempt = watch::Receiver<Option<Outcome>>;

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("remote", &self.inner.remote).finish_non_exhaustive()
    }
}

/// The most sessions of a tunnel.
const MAX_SESSIONS: usize = 64;

/// The first pause between attempts to replace a session, and the only one for a connection that has no other session.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest such pause: the calls of `StartSession` are limited.
const MAX_PAUSE: Duration = Duration::from_secs(60);

impl Tunnel {
    /// Starts the sessions, and waits until their handshakes are complete. `tls` verifies the service:
    /// [`native_tls`](crate::native_tls) trusts what this machine trusts.
    ///
    /// # Errors
    /// Returns the reason why a session could not be started. The others are ended then.
    pub async fn start(
        api: impl Api,
        remote: Remote,
        tls: Arc<ClientConfig>,
        options: Options,
    ) -> Result<Self, TunnelError> {
        if !(1..=MAX_SESSIONS).contains(&options.sessions) {
            return Err(TunnelError::Option("a tunnel has from 1 to 64 sessions"));
        }
        options.check_chunk()?;
        let settings =
            Settings { api: Arc::new(api), tls, keys: None, request: StartRequest::from(&remote), options };
        // All at once: each takes some round trips. A caller that gives up ends them.
        let mut starting = JoinSet::new();
        for _ in 0..settings.options.sessions {
            let (settings, streams) = (settings.clone(), streams(&settings, &remote));
            starting.spawn(async move { Session::start(&settings, streams).await });
        }
        let mut slots = Vec::new();
        let mut failed = None;
        while let Some(session) = starting.join_next().await {
            match session.unwrap_or(Err(TunnelError::Closed)) {
                Ok(session) => slots.push(Slot::new(session)),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        // After an error, the others are given up, which may take as long as an agent that does not answer.
        drop(starting);
        let state = Mutex::new(State { slots, tasks: Some(JoinSet::new()) });
        let inner =
            Inner { settings, remote, state, turn: tokio::sync::Mutex::default(), tried: Notify::new() };
        let tunnel = Self { inner: Arc::new(inner) };
        match failed {
            None => Ok(tunnel),
            Some(error) => {
                tunnel.close().await;
                Err(error)
            }
        }
    }

    /// Opens a stream in the running session with the fewest. The agent connects to the database after this returns: if
    /// that fails, reads of the stream do, with [`StreamError::Refused`](crate::StreamError::Refused).
    ///
    /// Sessions that have ended are replaced in the background. If none runs, this waits for the first that is replaced.
    /// With an old agent, which carries one stream a session, this waits for the first session that is free.
    ///
    /// # Errors
    /// Returns the reason why there is no session, and none could be started.
    pub async fn open(&self) -> Result<TunnelStream, TunnelError> {
        if let Some(stream) = self.open_running().await {
            return Ok(stream);
        }
        let replaced = self.replace().await;
        match (self.open_running().await, replaced) {
            (Some(stream), _) => Ok(stream),
            // It has ended at once.
            (None, Ok(session)) => Err(session.ended().unwrap_or(TunnelError::Closed)),
            (None, Err(error)) => Err(error),
        }
    }

    /// Opens a stream in a running session, in the order of calls. Returns `None` if no session runs.
    async fn open_running(&self) -> Option<TunnelStream> {
        let _turn = self.inner.turn.lock().await;
        loop {
            let (sessions, next) = self.inner.running();
            if sessions.is_empty() {
                return None;
            }
            if let Some(stream) = sessions.iter().find_map(|session| session.try_open()) {
                return Some(stream);
            }
            tracing::warn!(
                "a connection waits for one before: the agent carries one at a time. Update the agent, or use more \
                 sessions"
            );
            let free = select_all(sessions.iter().map(|session| Box::pin(session.free())));
            tokio::select! {
                _ = free => {}
                () = self.inner.tried.notified() => {}
                // A session that could not be replaced is tried again.
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
    }

    /// Waits until a session is replaced: none runs.
    async fn replace(&self) -> Result<Arc<Session>, TunnelError> {
        let (mut attempts, index, latest) = self.inner.lock().attempts();
        if attempts.is_empty() {
            // All pause. A connection does not wait as long as the background, but the tunnel makes at most one attempt a
            // second, however many sessions it has.
            if let Some(latest) = latest {
                sleep_until(latest + FIRST_PAUSE).await;
            }
            attempts.extend(self.inner.attempt(&mut self.inner.lock(), index));
        }
        if attempts.is_empty() {
            return Err(TunnelError::Closed);
        }
        let outcomes = attempts.into_iter().map(|attempt| Box::pin(outcome(attempt)));
        select_ok(outcomes).await.map(|(session, _)| session)
    }

    /// Returns the destination.
    #[must_use]
    pub fn remote(&self) -> &Remote {
        &self.inner.remote
    }

    /// Returns the number of open streams, in all sessions.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.inner.lock().slots.iter().map(|slot| slot.session.count()).sum()
    }

    /// Ends all sessions, at their agents and at the service. Streams that are open fail. A session that is being started
    /// is ended by its task, for which [`wait_for_ends`](crate::wait_for_ends) waits.
    pub async fn close(&self) {
        let closing: Vec<_> = self
            .inner
            .close()
            .into_iter()
            .map(|session| tokio::spawn(async move { session.close().await }))
            .collect();
        for session in closing {
            // A panic of the task was logged by the session.
            drop(session.await);
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change of the state is complete.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the attempts, and returns the sessions.
    fn close(&self) -> Vec<Arc<Session>> {
        let mut state = self.lock();
        state.tasks = None;
        state.slots.iter().map(|slot| slot.session.clone()).collect()
    }

    /// Returns the sessions that have not ended: those that are interrupted last, else the one with the fewest streams
    /// first. Starts to replace the others, except those that pause, and returns when the first of these may be.
    fn running(self: &Arc<Self>) -> (Vec<Arc<Session>>, Option<Instant>) {
        let mut state = self.lock();
        let (now, mut next) = (Instant::now(), None::<Instant>);
        let mut running = Vec::new();
        for index in 0..state.slots.len() {
            let slot = &state.slots[index];
            if slot.session.ended().is_none() {
                running.push(slot.session.clone());
            } else {
                match slot.tried.map(|tried| tried + slot.pause).filter(|due| *due > now) {
                    Some(due) => next = Some(next.map_or(due, |next| next.min(due))),
                    None => drop(self.attempt(&mut state, index)),
                }
            }
        }
        drop(state);
        // Cached, because streams come and go meanwhile.
        running.sort_by_cached_key(|session| (session.is_interrupted(), session.count()));
        (running, next)
    }

    /// Returns the attempt to replace a session that has ended, and starts it if there is none. Returns `None` if the
    /// tunnel is closed.
    fn attempt(self: &Arc<Self>, state: &mut State, index: usize) -> Option<Attempt> {
        let (tasks, slot) = (state.tasks.as_mut()?, &mut state.slots[index]);
        if let Some(attempt) = slot.attempt() {
            return Some(attempt);
        }
        if let Some(ended) = slot.session.ended()
            && !std::mem::replace(&mut slot.is_noted, true)
        {
            note_replacement(&ended);
        }
        while tasks.try_join_next().is_some() {}
        let (sender, attempt) = watch::channel(None);
        // A task that held the tunnel would keep it open.
        let (inner, settings) = (Arc::downgrade(self), self.settings.clone());
        let streams = streams(&self.settings, &self.remote);
        tasks.spawn(async move {
            let started = Session::start(&settings, streams).await;
            if let Some(inner) = inner.upgrade() {
                sender.send_replace(Some(inner.finish(index, started)));
            }
        });
        slot.attempt = Some(attempt.clone());
        Some(attempt)
    }

    /// Notes the end of an attempt, and returns its outcome.
    fn finish(&self, index: usize, started: Result<Session, TunnelError>) -> Outcome {
        let mut state = self.lock();
        if state.tasks.is_none() {
            // `close` has not found this session, which is dropped here.
            return Err(Arc::new(TunnelError::Closed));
        }
        let slot = &mut state.slots[index];
        slot.attempt = None;
        if started.is_ok() {
            slot.backoff.reset();
        }
        slot.tried = Some(Instant::now());
        slot.pause = slot.backoff.next(fastrand::f64());
        self.tried.notify_one();
        match started {
            Ok(session) => {
                slot.is_noted = false;
                slot.session = Arc::new(session);
                Ok(slot.session.clone())
            }
            Err(error) => {
                // Without another one, a connection gets the error.
                if state.slots.iter().any(|slot| slot.session.ended().is_none()) {
                    warn_not_replaced(&error);
                }
                Err(Arc::new(error))
            }
        }
    }
}

impl State {
    /// Returns the attempts that are in progress or have succeeded, the slot that was tried the longest time ago, and the
    /// end of the latest attempt of all.
    fn attempts(&self) -> (Vec<Attempt>, usize, Option<Instant>) {
        let attempts = self.slots.iter().filter_map(Slot::attempt).collect();
        let tried = || self.slots.iter().map(|slot| slot.tried).enumerate();
        let oldest = tried().min_by_key(|(_, tried)| *tried);
        let latest = tried().filter_map(|(_, tried)| tried).max();
        (attempts, oldest.map_or(0, |(index, _)| index), latest)
    }
}

impl Slot {
    fn new(session: Session) -> Self {
        Self {
            session: Arc::new(session),
            is_noted: false,
            attempt: None,
            backoff: Backoff::new(FIRST_PAUSE, MAX_PAUSE),
            tried: None,
            pause: Duration::ZERO,
        }
    }

    /// Returns the attempt that is in progress, or has succeeded.
    fn attempt(&self) -> Option<Attempt> {
        match self.session.ended() {
            Some(_) => self.attempt.clone(),
            None => Some(watch::channel(Some(Ok(self.session.clone()))).1),
        }
    }
}

/// Waits for the outcome of an attempt.
async fn outcome(mut attempt: Attempt) -> Result<Arc<Session>, TunnelError> {
    let outcome = attempt.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
    // An attempt without an outcome has ended with the tunnel.
    outcome.map_or(Err(TunnelError::Closed), |outcome| outcome.map_err(TunnelError::Shared))
}

fn note_replacement(reason: &(dyn std::error::Error + 'static)) {
    tracing::info!(reason, "the session has ended; another one is started");
}

fn warn_not_replaced(error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(error, "a session was not replaced; another one is used");
}

fn streams(settings: &Settings, remote: &Remote) -> Streams {
    Streams::new(remote.clone(), settings.options.stuck)
}
