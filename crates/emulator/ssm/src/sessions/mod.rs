//! Sessions and their tokens, and what the API, the data channel and the agents share.

mod session;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use aws_lc_rs::error::Unspecified;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::runtime::Handle;
use tokio::sync::watch;

pub(crate) use session::{AgentSide, Ended, Session};

use crate::answer::ApiError;
use crate::documents::Plugin;
use crate::faults::Faults;
use crate::operation::Operation;
use crate::settings::{Instance, Settings};
use crate::stats::{Counters, count};

/// The service of the account.
pub(crate) struct Service {
    pub(crate) settings: Settings,
    pub(crate) counters: Counters,
    pub(crate) faults: watch::Sender<Faults>,
    /// The closes that faults may still make.
    closes: AtomicU32,
    instances: Mutex<Vec<Instance>>,
    denied: Mutex<Vec<(Operation, String)>>,
    failures: Mutex<VecDeque<(Operation, ApiError)>>,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
    /// The scheme and address of the data channel, known once there is a port.
    origin: OnceLock<String>,
    /// The runtime of the tasks that end idle sessions: callers of the API may have none.
    runtime: Handle,
}

/// What a client needs to open a data channel.
pub(crate) struct Opened {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) url: String,
}

/// The state of a session that a client wants to resume.
pub(crate) enum Resumed {
    Open(Opened),
    /// It ended because it was idle.
    TimedOut,
    /// There is no such session any more.
    Gone,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    /// Creates the service. It uses the runtime of the caller.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            instances: Mutex::new(settings.instances.clone()),
            settings,
            counters: Counters::default(),
            faults: watch::Sender::new(Faults::default()),
            closes: AtomicU32::new(u32::MAX),
            denied: Mutex::default(),
            failures: Mutex::default(),
            sessions: Mutex::default(),
            origin: OnceLock::new(),
            runtime: Handle::current(),
        }
    }

    pub(crate) fn set_origin(&self, origin: String) {
        // It is set once, before the first request.
        self.origin.get_or_init(|| origin);
    }

    pub(crate) fn instances(&self) -> Vec<Instance> {
        lock(&self.instances).clone()
    }

    pub(crate) fn set_instances(&self, instances: Vec<Instance>) {
        *lock(&self.instances) = instances;
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        self.closes.store(faults.closes, Relaxed);
        self.faults.send_replace(faults);
    }

    /// Returns whether a fault may close one more WebSocket.
    pub(crate) fn take_close(&self) -> bool {
        let less = |closes: u32| match closes {
            0 => None,
            u32::MAX => Some(u32::MAX),
            closes => Some(closes - 1),
        };
        self.closes.fetch_update(Relaxed, Relaxed, less).is_ok()
    }

    pub(crate) fn deny(&self, operation: Operation, resource: String) {
        lock(&self.denied).push((operation, resource));
    }

    pub(crate) fn permit_all(&self) {
        lock(&self.denied).clear();
    }

    pub(crate) fn denies(&self, operation: Operation, resource: &str) -> bool {
        lock(&self.denied).iter().any(|(denied, part)| *denied == operation && resource.contains(part))
    }

    pub(crate) fn fail_next(&self, operation: Operation, error: ApiError) {
        lock(&self.failures).push_back((operation, error));
    }

    /// Removes the next failure of an operation.
    pub(crate) fn planned_failure(&self, operation: Operation) -> Option<ApiError> {
        let mut failures = lock(&self.failures);
        let next = failures.iter().position(|(planned, _)| *planned == operation)?;
        failures.remove(next).map(|(_, error)| error)
    }

    pub(crate) fn session_arn(&self, id: &str) -> String {
        let Settings { region, account, .. } = &self.settings;
        format!("arn:aws:ssm:{region}:{account}:session/{id}")
    }

    /// Starts a session, which ends when it is idle. Its agent starts when the client opens the data channel.
    pub(crate) fn start_session(&self, instance: Instance, plugin: Plugin) -> Result<Opened, Unspecified> {
        let owner = self.settings.caller.rsplit('/').next().unwrap_or("caller");
        let id = format!("{owner}-{}", hex::encode(random::<9>()?).split_off(1));
        let token = new_token()?;
        let cell = BASE64_STANDARD.encode(random::<24>()?);
        let session = Arc::new(Session::new(id.clone(), instance, plugin, cell, token.clone()));
        let url = self.url(&session);
        lock(&self.sessions).insert(id.clone(), Arc::clone(&session));
        let idle_timeout = self.settings.idle_timeout;
        self.runtime.spawn(async move { session.watch(idle_timeout).await });
        count(&self.counters.sessions);
        Ok(Opened { id, token, url })
    }

    /// Gives a session a new token. The one before is not valid any more.
    pub(crate) fn resume_session(&self, id: &str) -> Result<Resumed, Unspecified> {
        let Some(session) = self.session(id) else { return Ok(Resumed::Gone) };
        if let Some(ended) = session.ended() {
            return Ok(if ended.has_timed_out { Resumed::TimedOut } else { Resumed::Gone });
        }
        let token = new_token()?;
        session.set_token(token.clone());
        Ok(Resumed::Open(Opened { id: id.to_owned(), token, url: self.url(&session) }))
    }

    pub(crate) fn session(&self, id: &str) -> Option<Arc<Session>> {
        lock(&self.sessions).get(id).cloned()
    }

    /// Returns all sessions that have not ended.
    pub(crate) fn open_sessions(&self) -> Vec<Arc<Session>> {
        lock(&self.sessions).values().filter(|session| session.ended().is_none()).cloned().collect()
    }

    /// Ends a session. The client is sent `output` as the reason.
    pub(crate) fn end_session(&self, id: &str, output: String) {
        if let Some(session) = self.session(id) {
            session.end(output, false);
        }
    }

    /// Returns the URL of a session's data channel.
    fn url(&self, session: &Session) -> String {
        let origin = self.origin.get().map_or("ws://127.0.0.1", String::as_str);
        format!("{origin}/v1/data-channel/{}?{}", session.id, session.query())
    }
}

/// Returns random bytes that no client can guess.
fn random<const N: usize>() -> Result<[u8; N], Unspecified> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(bytes)
}

fn new_token() -> Result<String, Unspecified> {
    Ok(BASE64_STANDARD.encode(random::<96>()?))
}
