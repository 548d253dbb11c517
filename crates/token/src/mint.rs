//! Fetching credentials and signing a token with them, once.

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

/// How long the credentials' source may take: 10 seconds, enough for a role chain, short enough that
/// several attempts fit in a token's last half.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest that a source that does not answer is left alone: 5 minutes. It is asked again after 10 seconds, and
/// after twice as long each time that it does not answer: each question may start a `credential_process`, which the
/// SDK never ends.
const LONGEST_SILENCE: Duration = Duration::from_secs(300);

/// The time and the sleep that everything here uses, so that a test can bring its own.
#[derive(Clone, Debug)]
pub struct Clock {
    time: SharedTimeSource,
    sleep: SharedAsyncSleep,
}

impl Clock {
    /// The machine's clock and Tokio's timer.
    #[must_use]
    pub fn system() -> Self {
        Self { time: SharedTimeSource::default(), sleep: SharedAsyncSleep::new(TokioSleep::new()) }
    }

    /// A clock of the caller's.
    #[must_use]
    pub fn new(time: impl TimeSource + 'static, sleep: impl AsyncSleep + 'static) -> Self {
        Self { time: SharedTimeSource::new(time), sleep: SharedAsyncSleep::new(sleep) }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.time.now()
    }

    /// Sleeps for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep.sleep(duration).await;
    }
}

/// Signs tokens for one login with whatever credentials its provider has at that moment.
#[derive(Clone, Debug)]
pub struct Minter {
    login: Login,
    credentials: SharedCredentialsProvider,
    clock: Clock,
    /// Shared by clones.
    asked: Arc<Mutex<Asked>>,
}

/// What the source of credentials was asked and has not answered yet.
#[derive(Debug, Default)]
struct Asked {
    fetch: Option<Fetch>,
    /// How many fetches in a row were given up.
    given_up: u32,
}

/// Credentials being fetched, in a task: an attempt that has waited long enough leaves it to the next one.
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
    /// A minter for `login`. `credentials` is asked anew for every token, so that the token starts
    /// with all the life that the credentials have.
    #[must_use]
    pub fn new(login: Login, credentials: impl ProvideCredentials + 'static, clock: Clock) -> Self {
        let credentials = SharedCredentialsProvider::new(credentials);
        Self { login, credentials, clock, asked: Arc::default() }
    }

    /// The login that its tokens are for.
    #[must_use]
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// The clock that it signs by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Fetches credentials and signs one token. Where an earlier attempt was not answered, this one may wait for
    /// the same answer: a source that stays silent is asked at growing intervals, up to 5 minutes.
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
        let mut asked = self.asked.lock().await;
        let now = self.clock.now();
        let patience = CREDENTIALS_TIMEOUT.saturating_mul(1 << asked.given_up.min(10)).min(LONGEST_SILENCE);
        if let Some(Fetch { started_at, task }) = &mut asked.fetch {
            // A clock that was set back says nothing.
            if now.duration_since(*started_at).map_or(true, |elapsed| elapsed >= patience) {
                asked.given_up += 1;
                asked.fetch = None;
            } else if task.is_finished() {
                let late = task.await;
                asked.fetch = None;
                // Without an answer, it is gone with its runtime.
                if let Ok(found) = late {
                    return found.map_err(MintError::from_provider);
                }
            }
        }
        let fetch = asked.fetch.get_or_insert_with(|| {
            let credentials = self.credentials.clone();
            let task = tokio::spawn(async move { credentials.provide_credentials().await });
            Fetch { started_at: now, task }
        });
        let answer = tokio::select! {
            biased;
            answer = &mut fetch.task => answer,
            () = self.clock.sleep(CREDENTIALS_TIMEOUT) => return Err(MintError::TimedOut),
        };
        *asked = Asked::default();
        answer.map_err(|_| MintError::Interrupted)?.map_err(MintError::from_provider)
    }
}

/// Why no token could be had. Cloning is cheap: everyone who waited for one attempt gets its error.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum MintError {
    /// No source of credentials is configured. Retrying does not help.
    #[error(
        "no AWS credentials were found: configure a profile, an instance, task or pod role, or the AWS_* variables"
    )]
    NotConfigured {
        /// What the provider chain said.
        source: Arc<CredentialsError>,
    },
    /// The configured source is wrong: a profile that doesn't parse, a role that doesn't exist.
    #[error("the AWS credentials are misconfigured: mend the profile or role that they come from")]
    Misconfigured {
        /// What the provider chain said.
        source: Arc<CredentialsError>,
    },
    /// The source did not answer in 10 seconds.
    #[error("the source of AWS credentials did not answer in {} s: check that its endpoint can be reached from here", CREDENTIALS_TIMEOUT.as_secs())]
    TimedOut,
    /// The source answered with a failure that may pass.
    #[error("fetching AWS credentials failed")]
    ProviderFailed {
        /// What the provider chain said.
        source: Arc<CredentialsError>,
    },
    /// The task that fetched them ended without an answer: the source panicked, or its runtime was shut down.
    #[error("fetching AWS credentials was interrupted")]
    Interrupted,
    /// The credentials arrived but cannot sign: they have expired, or are incomplete.
    #[error("signing the token failed")]
    Sign {
        /// What was wrong.
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

    /// Whether the same attempt may succeed later without anybody changing the configuration.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TimedOut | Self::ProviderFailed { .. } | Self::Interrupted => true,
            Self::NotConfigured { .. } | Self::Misconfigured { .. } => false,
            // Expired credentials are renewed behind our back; incomplete ones are not.
            Self::Sign { source } => matches!(**source, SignError::CredentialsExpired { .. }),
        }
    }
}
