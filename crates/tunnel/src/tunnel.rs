//! A tunnel: one or more sessions, and the streams that are spread over them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ClientConfig;
use tokio::task::JoinSet;

use crate::session::{Session, Settings};
use crate::streams::Streams;
use crate::{Api, Options, Remote, StartRequest, TunnelError, TunnelStream};

/// A tunnel to a host behind a managed instance. Clones share it. It ends when it is [closed](Self::close), or when the
/// last clone is dropped.
///
/// Its sessions are resumed whenever the service closes their connections; streams do not notice. A session that the
/// service, an operator or a long idle time has ended fails its streams, and the next stream starts another one.
#[derive(Clone)]
pub struct Tunnel {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    remote: Remote,
    slots: Vec<Slot>,
    is_closed: AtomicBool,
}

/// The permit for one session, which is replaced when it has ended.
struct Slot {
    current: Mutex<Arc<Session>>,
    /// Held by the task that replaces the session.
    replacing: tokio::sync::Mutex<()>,
    /// The reason why the session was not replaced, the last time.
    failure: Mutex<Option<Arc<TunnelError>>>,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("remote", &self.inner.remote).finish_non_exhaustive()
    }
}

/// The most sessions of a tunnel.
const MAX_SESSIONS: usize = 64;

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
        let inner = Inner { settings, remote, slots, is_closed: AtomicBool::new(false) };
        let tunnel = Self { inner: Arc::new(inner) };
        match failed {
            None => Ok(tunnel),
            Some(error) => {
                tunnel.close().await;
                Err(error)
            }
        }
    }

    /// Opens a stream in the session with the fewest. The agent connects to the database after this returns: if that
    /// fails, reads of the stream do, with [`StreamError::Refused`](crate::StreamError::Refused).
    ///
    /// # Errors
    /// Returns the reason why there is no session, and none could be started.
    pub async fn open(&self) -> Result<TunnelStream, TunnelError> {
        let Some(slot) = self.inner.slots.iter().min_by_key(|slot| slot.current().count()) else {
            return Err(TunnelError::Closed);
        };
        let session = slot.current();
        let ended = match session.open().await {
            Err(ended) if !self.is_closed() => ended,
            result => return result,
        };
        note_replacement(&ended);
        match slot.replace(&session, &self.inner).await {
            Ok(session) => session.open().await,
            Err(error) => match self.running() {
                Some(session) => {
                    warn_not_replaced(&error);
                    session.open().await
                }
                None => Err(error),
            },
        }
    }

    /// Returns the session with the fewest streams of those that have not ended.
    fn running(&self) -> Option<Arc<Session>> {
        let sessions = self.inner.slots.iter().map(Slot::current);
        sessions.filter(|session| session.ended().is_none()).min_by_key(|session| session.count())
    }

    /// Returns the destination.
    #[must_use]
    pub fn remote(&self) -> &Remote {
        &self.inner.remote
    }

    /// Returns the number of open streams, in all sessions.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.inner.slots.iter().map(|slot| slot.current().count()).sum()
    }

    /// Ends all sessions, at their agents and at the service. Streams that are open fail.
    pub async fn close(&self) {
        self.inner.is_closed.store(true, Ordering::Relaxed);
        let closing: Vec<_> = self
            .inner
            .slots
            .iter()
            .map(|slot| {
                let session = slot.current();
                tokio::spawn(async move { session.close().await })
            })
            .collect();
        for session in closing {
            // A panic of the task was logged by the session.
            drop(session.await);
        }
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }
}

impl Inner {
    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }
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

impl Slot {
    fn new(session: Session) -> Self {
        Self {
            current: Mutex::new(Arc::new(session)),
            replacing: tokio::sync::Mutex::new(()),
            failure: Mutex::default(),
        }
    }

    fn current(&self) -> Arc<Session> {
        lock(&self.current).clone()
    }

    /// Starts another session, unless another task has done so, or has tried while this one waited.
    async fn replace(&self, ended: &Arc<Session>, inner: &Inner) -> Result<Arc<Session>, TunnelError> {
        let failure_before = self.failure();
        let _replacing = self.replacing.lock().await;
        let current = self.current();
        if !Arc::ptr_eq(&current, ended) {
            return Ok(current);
        }
        // Without a network, each attempt takes its time, and the calls of StartSession are limited.
        if let Some(failure) = self.failure()
            && !failure_before.is_some_and(|before| Arc::ptr_eq(&before, &failure))
        {
            return Err(TunnelError::Shared(failure));
        }
        let streams = streams(&inner.settings, &inner.remote);
        let session = match Session::start(&inner.settings, streams).await {
            Ok(session) => Arc::new(session),
            Err(error) => {
                let failure = Arc::new(error);
                *lock(&self.failure) = Some(failure.clone());
                return Err(TunnelError::Shared(failure));
            }
        };
        *lock(&self.current) = session.clone();
        if inner.is_closed() {
            // `close` may have closed the session before this one.
            session.close().await;
            return Err(TunnelError::Closed);
        }
        Ok(session)
    }

    fn failure(&self) -> Option<Arc<TunnelError>> {
        lock(&self.failure).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change of a value is complete.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
