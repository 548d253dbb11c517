//! `Minter`: fetches AWS credentials, with a time limit, and signs one token with them. Also its error,
//! `MintError`, and `Clock`, the source of time and sleep.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::{Login, SignError, Token, sign};

/// The time limit of the source of credentials: 10 seconds, enough for a role chain, short enough that
/// several attempts fit in a token's last half.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest wait for one request to a source that does not answer: 5 minutes. It is requested again after 10
/// seconds, and after twice as long each time it does not answer: each request may start a `credential_process`,
/// which the SDK never ends.
const MAX_FETCH_WAIT: Duration = Duration::from_secs(300);

/// The source of time and sleep, so that a test can provide its own.
#[derive(Clone, Debug)]
pub struct Clock {
    time: SharedTimeSource,
    sleep: SharedAsyncSleep,
}

impl Clock {
    /// Returns the machine's clock and Tokio's timer.
    #[must_use]
    pub fn system() -> Self {
        Self { time: SharedTimeSource::default(), sleep: SharedAsyncSleep::new(TokioSleep::new()) }
    }

    /// Creates a clock from the caller's source of time and sleep.
    #[must_use]
    pub fn new(time: impl TimeSource + 'static, sleep: impl AsyncSleep + 'static) -> Self {
        Self { time: SharedTimeSource::new(time), sleep: SharedAsyncSleep::new(sleep) }
    }

    /// Returns the time now.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.time.now()
    }

    /// Sleeps for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep.sleep(duration).await;
    }
}

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
        let fetch = pending.fetch.get_or_insert_with(|| {
            let credentials = self.credentials.clone();
            let task = tokio::spawn(async move { credentials.provide_credentials().await });
            Fetch { started_at: now, task }
        });
        let answer = tokio::select! {
            biased;
            answer = &mut fetch.task => answer,
            () = self.clock.sleep(CREDENTIALS_TIMEOUT) => return Err(MintError::TimedOut),
        };
        *pending = Pending::default();
        answer.map_err(|_| MintError::Interrupted)?.map_err(MintError::from_provider)
    }
}

/// The error of an attempt to sign a token. Cloning is cheap: each caller that waited for the attempt gets it.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum MintError {
    /// No source of credentials is configured. Retrying does not help.
    #[error(
        "no AWS credentials were found: configure a profile, an instance, task or pod role, or the AWS_* variables"
    )]
    NotConfigured {
        /// The provider chain's error.
        source: Arc<CredentialsError>,
    },
    /// The configured source is wrong: a profile that doesn't parse, a role that doesn't exist.
    #[error("the AWS credentials are misconfigured: fix the profile or role that they come from")]
    Misconfigured {
        /// The provider chain's error.
        source: Arc<CredentialsError>,
    },
    /// The source did not answer in 10 seconds.
    #[error("the source of AWS credentials did not answer in {} s: check that its endpoint can be reached from here", CREDENTIALS_TIMEOUT.as_secs())]
    TimedOut,
    /// The source answered with a failure that may pass.
    #[error("fetching AWS credentials failed")]
    ProviderFailed {
        /// The provider chain's error.
        source: Arc<CredentialsError>,
    },
    /// The task that fetched credentials ended without an answer: the source panicked, or its runtime was shut down.
    #[error("fetching AWS credentials was interrupted")]
    Interrupted,
    /// The credentials arrived but cannot sign: they have expired, or are incomplete.
    #[error("signing the token failed")]
    Sign {
        /// The cause.
        source: Arc<SignError>,
    },
}

impl MintError {
    fn from_provider(error: CredentialsError) -> Self {
        let wrap = |make: fn(Arc<CredentialsError>) -> Self, error| make(Arc::new(error));
        match error {
            CredentialsError::CredentialsNotLoaded(_) => wrap(|source| Self::NotConfigured { source }, error),
            CredentialsError::InvalidConfiguration(_) => wrap(|source| Self::Misconfigured { source }, error),
            CredentialsError::ProviderTimedOut(_) => Self::TimedOut,
            _ => wrap(|source| Self::ProviderFailed { source }, error),
        }
    }

    /// Returns whether the same attempt may succeed later without a change of the configuration.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TimedOut | Self::ProviderFailed { .. } | Self::Interrupted => true,
            Self::NotConfigured { .. } | Self::Misconfigured { .. } => false,
            // Expired credentials may be renewed by their source; incomplete ones are not.
            Self::Sign { source } => matches!(**source, SignError::CredentialsExpired { .. }),
        }
    }
}
