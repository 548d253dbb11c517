//! `Minter`: fetches AWS credentials, with a time limit, and signs one token with them.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::mint_error::{CREDENTIALS_TIMEOUT, MintError};
use crate::{Login, Token, sign};

/// The longest wait for one request to a source that does not answer: 5 minutes. It is requested again after 10
/// seconds, and after twice as long each time it does not answer: each request may start a `credential_process`,
/// which the SDK never ends.
const MAX_FETCH_WAIT: Duration = Duration::from_secs(300);

/// Signs tokens for one login, each with the credentials that its provider returns at that moment.
#[derive(Clone, Debug)]
pub struct Minter {
    login: Login,
    credentials: SharedCredentialsProvider,
    clock: Clock,
    /// Shared by clones.
    pending: Arc<Mutex<Pending>>,
}

/// The request to the source of credentials that has no answer yet.
#[derive(Debug, Default)]
struct Pending {
    fetch: Option<Fetch>,
    /// The number of fetches in a row that were aborted.
    aborted: u32,
}

/// A fetch of credentials, in a task. An attempt that times out leaves it to the next one.
#[derive(Debug)]
struct Fetch {
    started_at: SystemTime,
    task: JoinHandle<provider::Result>,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Minter {
    /// Creates a minter for `login`. It requests `credentials` for every token, so that the token's life is not
    /// shortened by cached credentials.
    #[must_use]
    pub fn new(login: Login, credentials: impl ProvideCredentials + 'static, clock: Clock) -> Self {
        let credentials = SharedCredentialsProvider::new(credentials);
        Self { login, credentials, clock, pending: Arc::default() }
    }

    /// Returns the login that its tokens are for.
    #[must_use]
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// Returns the clock that it signs by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Fetches credentials and signs one token. If an earlier attempt has no answer yet, this one may wait for the same
    /// answer: a source that does not answer is requested at growing intervals, up to 5 minutes.
    ///
    /// # Errors
    /// [`MintError`]; [`MintError::is_retryable`] says whether trying again may help.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn mint(&self) -> Result<Token, MintError> {
        let credentials = self.fetch().await?;
        sign(&self.login, &credentials, self.clock.now())
            .map_err(|source| MintError::Sign { source: Arc::new(source) })
    }

    async fn fetch(&self) -> Result<Credentials, MintError> {
        let mut pending = self.pending.lock().await;
        let now = self.clock.now();
        let wait = CREDENTIALS_TIMEOUT.saturating_mul(1 << pending.aborted.min(10)).min(MAX_FETCH_WAIT);
        if let Some(Fetch { started_at, task }) = &mut pending.fetch {
            // The elapsed time is unknown after the clock was set back.
            if now.duration_since(*started_at).map_or(true, |elapsed| elapsed >= wait) {
                pending.aborted += 1;
                pending.fetch = None;
            } else if task.is_finished() {
                let late = task.await;
                pending.fetch = None;
                // Without an answer, its runtime has been shut down.
                if let Ok(found) = late {
                    return found.map_err(MintError::from_provider);
                }
            }
        }
        let fetch = match &mut pending.fetch {
            Some(fetch) => fetch,
            none => {
                let credentials = self.credentials.clone();
                let mut answer = Box::pin(async move { credentials.provide_credentials().await });
                // Most sources have credentials in memory: those need no task.
                if let Poll::Ready(found) =
                    poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await
                {
                    pending.aborted = 0;
                    return found.map_err(MintError::from_provider);
                }
                none.insert(Fetch { started_at: now, task: tokio::spawn(answer) })
            }
        };
        let answer = tokio::select! {
            biased;
            answer = &mut fetch.task => answer,
            () = self.clock.sleep(CREDENTIALS_TIMEOUT) => return Err(MintError::TimedOut),
        };
        *pending = Pending::default();
        answer.map_err(|_| MintError::Interrupted)?.map_err(MintError::from_provider)
    }
}
