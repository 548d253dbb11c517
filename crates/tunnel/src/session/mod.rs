//! A session: one task that starts it, opens its data channel, resumes it when the connection is lost, and ends it.

mod backoff;
mod connect;
mod drive;
mod shared;
mod stream;
mod suspension;

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout, timeout_at};

pub(crate) use self::backoff::Backoff;
use self::connect::{Socket, connect};
use self::drive::{Drive, End, Opening, no_handshake, now};
use self::shared::Shared;
pub(crate) use self::shared::wake;
pub use self::stream::TunnelStream;
use crate::channel::{Channel, Stamps};
use crate::encryption::DataKeys;
use crate::options::wall_clock;
use crate::payloads::Payloads;
use crate::streams::Streams;
use crate::{Api, Options, Refused, StartRequest, Started, Token, TunnelError, events};

/// The time that a connection has to last so that the next pause is the first one again.
const LASTED: Duration = Duration::from_secs(1);

/// The longest pause between attempts to resume a session.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The limit of one call of the API. An SDK has its own; this one keeps a lost answer from ending all attempts.
const CALL: Duration = Duration::from_secs(30);

/// The time for the service to end a session that was not opened.
const LEAVE: Duration = Duration::from_secs(5);

/// The number of sessions of this process that have not ended.
static RUNNING: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// Waits until all sessions of this process have ended, those included whose start was given up: a program calls it
/// before it exits, because a session that was dropped is ended by a task. Returns whether they have within `limit`.
pub async fn wait_for_ends(limit: Duration) -> bool {
    let mut running = RUNNING.subscribe();
    timeout(limit, running.wait_for(|count| *count == 0)).await.is_ok()
}

/// A session that counts as running until this is dropped.
struct Running;

impl Running {
    fn new() -> Self {
        RUNNING.send_modify(|count| *count += 1);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.send_modify(|count| *count -= 1);
    }
}

/// A session. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Session<P: Payloads = Streams> {
    shared: Arc<Shared<P>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What a session is made of.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) api: Arc<dyn Api>,
    pub(crate) tls: Arc<ClientConfig>,
    /// The source of data keys, for sessions that may be encrypted.
    pub(crate) keys: Option<Arc<dyn DataKeys>>,
    pub(crate) request: StartRequest,
    pub(crate) options: Options,
}

impl Session {
    /// Opens a stream. Returns `None` if the session has ended, or if it is in basic mode and not [free](Self::free).
    pub(crate) fn try_open(&self) -> Option<TunnelStream> {
        let mut state = self.shared.lock();
        if state.ended.is_some() {
            return None;
        }
        let permit = match state.payloads.basic() {
            Some(basic) => Some(basic.try_acquire_owned().ok()?),
            None => None,
        };
        let id = state.payloads.open(permit);
        let task = state.task();
        drop(state);
        wake(task);
        Some(TunnelStream::new(self.shared.clone(), id))
    }

    /// Waits until a stream can be opened, or the session has ended. In basic mode the stream before has to be closed.
    pub(crate) async fn free(&self) {
        let basic = self.shared.lock().payloads.basic();
        if let Some(basic) = basic {
            // The semaphore is closed when the session ends.
            drop(basic.acquire().await);
        }
    }

    /// Returns whether the session waits to be resumed: its streams stand meanwhile.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.shared.lock().is_interrupted
    }

    /// Returns the number of open streams.
    pub(crate) fn count(&self) -> usize {
        self.shared.lock().payloads.count()
    }
}

impl<P: Payloads> Session<P> {
    /// Starts a session, and waits until it is open.
    ///
    /// # Errors
    /// Returns the reason why there is none.
    pub(crate) async fn start(settings: &Settings, payloads: P) -> Result<Self, TunnelError> {
        let (session, opened) = Self::spawn(settings, payloads);
        match opened.await {
            Ok(()) => Ok(session),
            Err(_) => Err(session.leave().await),
        }
    }

    /// Waits until the service was sent the end of a session that was not opened, and returns the reason.
    pub(crate) async fn leave(&self) -> TunnelError {
        // A program that ends with this error would leave a session behind.
        if timeout(LEAVE, self.close()).await.is_err() {
            tracing::warn!("the session could not be ended in time; the service ends it when idle");
        }
        self.ended().unwrap_or(TunnelError::Closed)
    }

    /// Starts a session. The receiver has a message when it is open, and an error when it has ended before.
    pub(crate) fn spawn(settings: &Settings, payloads: P) -> (Self, oneshot::Receiver<()>) {
        let shared = Arc::new(Shared::new(payloads));
        let (opened, is_open) = oneshot::channel();
        let (running, settings, its_own) = (Running::new(), settings.clone(), shared.clone());
        let task = tokio::spawn(async move {
            run(settings, its_own, opened).await;
            drop(running);
        });
        // From here on, a caller that gives up ends the session.
        (Self { shared, task: Mutex::new(Some(task)) }, is_open)
    }

    /// Returns the state that the session's task shares.
    pub(crate) fn shared(&self) -> &Shared<P> {
        &self.shared
    }

    /// Returns the reason why the session has ended.
    pub(crate) fn ended(&self) -> Option<TunnelError> {
        self.shared.lock().ended.clone().map(TunnelError::Shared)
    }

    /// Ends the session, at the agent and at the service, and waits for it.
    pub(crate) async fn close(&self) {
        self.shared.close();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the task of a session failed");
        }
    }
}

impl<P: Payloads> Drop for Session<P> {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Runs a session to its end.
async fn run<P: Payloads>(settings: Settings, shared: Arc<Shared<P>>, opened: oneshot::Sender<()>) {
    let started = match start(&settings).await {
        Ok(started) => started,
        Err(error) => return shared.end(error),
    };
    let session_id = started.session_id.clone();
    let opening = Opening { deadline: now() + settings.options.handshake, opened };
    let mut connections = Connections::new(&settings, &shared, started, opening);
    let reason = connections.run().await;
    // The service knows that these have ended.
    let is_known = matches!(reason, TunnelError::Ended { .. } | TunnelError::Gone { .. });
    // When the caller ends a session, the agent or the service may be faster than this end.
    let is_expected = shared.lock().is_closing || P::IS_COMMAND && reason.is_end_of_command();
    // Before the session is open, its caller gets the reason.
    let was_open = connections.opening.is_none();
    if was_open && !is_expected && !matches!(reason, TunnelError::Closed) {
        let reason: &(dyn std::error::Error + 'static) = &reason;
        tracing::warn!(session = session_id, reason, "{}", events::ENDED);
    }
    // The caller of `Session::start` is woken by the drop, and reads the reason.
    shared.end(reason);
    drop(connections);
    if !is_known && let Err(error) = terminate(&settings, &session_id).await {
        tracing::warn!(
            session = session_id,
            error,
            "the session could not be terminated; the service ends it when idle"
        );
    }
}

async fn start(settings: &Settings) -> Result<Started, TunnelError> {
    let request = &settings.request;
    let failed = |source| TunnelError::Start { request: Box::new(request.clone()), source };
    let answer = timeout(CALL, settings.api.start(request)).await;
    answer.map_err(|_| failed("no answer within 30 s".into()))?.map_err(failed)
}

async fn terminate(settings: &Settings, session_id: &str) -> Result<(), String> {
    match timeout(CALL, settings.api.terminate(session_id)).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("no answer within 30 s".to_owned()),
    }
}

/// The connections of a session, one after the other.
struct Connections<'a, P> {
    settings: &'a Settings,
    shared: &'a Shared<P>,
    session_id: String,
    /// The address of all connections: official clients do not use the one that `ResumeSession` returns either.
    url: String,
    token: Token,
    channel: Channel,
    opening: Option<Opening>,
    backoff: Backoff,
    random: fastrand::Rng,
}

impl<'a, P: Payloads> Connections<'a, P> {
    fn new(settings: &'a Settings, shared: &'a Shared<P>, started: Started, opening: Opening) -> Self {
        let Started { session_id, stream_url, token } = started;
        let mut random = fastrand::Rng::new();
        let stamps = Stamps::new(random.fork(), created);
        Self {
            settings,
            shared,
            url: stream_url,
            token,
            channel: Channel::new(
                session_id.clone(),
                settings.request.target.clone(),
                settings.options.chunk,
                stamps,
            ),
            session_id,
            opening: Some(opening),
            backoff: Backoff::new(settings.options.pause, MAX_PAUSE),
            random,
        }
    }

    /// Runs until the session has ended, and returns the reason.
    async fn run(&mut self) -> TunnelError {
        let mut socket = match self.connect().await {
            Ok(socket) => socket,
            Err(error) => return error,
        };
        loop {
            let since = now();
            let options = &self.settings.options;
            let (channel, opening) = (&mut self.channel, &mut self.opening);
            let keys = self.settings.keys.as_deref();
            let drive = Drive::new(channel, self.shared, &mut socket, options, keys, opening);
            let reason = match drive.run().await {
                End::Disconnected(reason) => reason,
                End::Closed => return close(socket, TunnelError::Closed).await,
                End::Failed(error) => return close(socket, error).await,
            };
            tracing::info!(session = self.session_id, reason, "{}", events::LOST);
            drop(socket);
            self.shared.lock().is_interrupted = true;
            let has_lasted = now() >= since + LASTED;
            if has_lasted {
                self.backoff.reset();
            }
            socket = match self.reconnect(has_lasted).await {
                Ok(socket) => socket,
                Err(error) => return error,
            };
            self.channel.reconnected(now());
            let mut state = self.shared.lock();
            state.is_interrupted = false;
            state.payloads.reconnected();
            drop(state);
            tracing::info!(session = self.session_id, "{}", events::RESUMED);
        }
    }

    async fn connect(&mut self) -> Result<Socket, TunnelError> {
        let open = self.channel.open_message(self.token.expose());
        let connected = tokio::select! {
            connected = connect(&self.url, &self.settings.tls, &open) => connected,
            () = self.shared.closing() => return Err(TunnelError::Closed),
        };
        connected.map_err(|source| TunnelError::Connect { host: connect::host(&self.url), source })
    }

    /// Resumes the session. There is no last attempt, unless the handshake is not complete yet.
    async fn reconnect(&mut self, is_first_immediate: bool) -> Result<Socket, TunnelError> {
        let deadline = self.opening.as_ref().map(|opening| tokio::time::Instant::from_std(opening.deadline));
        let shared = self.shared;
        let resumed = async {
            let attempts = self.attempts(is_first_immediate);
            match deadline {
                Some(deadline) => timeout_at(deadline, attempts).await.ok(),
                None => Some(attempts.await),
            }
        };
        let resumed = tokio::select! {
            resumed = resumed => resumed,
            () = shared.closing() => return Err(TunnelError::Closed),
        };
        resumed.unwrap_or_else(|| {
            let target = self.settings.request.target.clone();
            Err(no_handshake(target, &self.settings.options, self.channel.malformed()))
        })
    }

    async fn attempts(&mut self, mut is_immediate: bool) -> Result<Socket, TunnelError> {
        loop {
            if !is_immediate {
                sleep(self.backoff.next(self.random.f64())).await;
            }
            is_immediate = false;
            match timeout(CALL, self.settings.api.resume(&self.session_id)).await {
                Ok(Ok(Some(token))) => {
                    self.token = token;
                    match self.connect().await {
                        Ok(socket) => return Ok(socket),
                        Err(error) => self.note(&error),
                    }
                }
                Ok(Ok(None)) => return Err(TunnelError::Gone { session_id: self.session_id.clone() }),
                Ok(Err(error)) => match error.downcast::<Refused>() {
                    Ok(refused) => {
                        let session_id = self.session_id.clone();
                        return Err(TunnelError::Refused { session_id, source: refused.0 });
                    }
                    Err(error) => self.note(&*error),
                },
                Err(error) => self.note(&error),
            }
        }
    }

    fn note(&self, error: &(dyn std::error::Error + 'static)) {
        tracing::warn!(session = self.session_id, error, "{}", events::NOT_RESUMED);
    }
}

/// Sends what is buffered and a close frame, if the service accepts them.
async fn close(mut socket: Socket, reason: TunnelError) -> TunnelError {
    // A service that has gone does not need them.
    drop(timeout(Duration::from_secs(1), socket.close(None)).await);
    reason
}

/// Returns ms since 1970, for the creation time in messages, which no end compares with its own clock.
fn created() -> u64 {
    let since = wall_clock().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    // 0 is refused by the agent.
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1)
}
