//! Fetching credentials and signing a token with them, once.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use thiserror::Error;

use crate::{Login, SignError, Token, sign};

/// How long the credentials' source may take: 10 seconds, enough for a role chain, short enough that
/// several attempts fit in a token's last half.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(10);

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
}

impl Minter {
    /// A minter for `login`. `credentials` is asked anew for every token, so that the token starts
    /// with all the life that the credentials have.
    #[must_use]
    pub fn new(login: Login, credentials: impl ProvideCredentials + 'static, clock: Clock) -> Self {
        Self { login, credentials: SharedCredentialsProvider::new(credentials), clock }
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

    /// Fetches credentials and signs one token.
    ///
    /// # Errors
    /// [`MintError`]; [`MintError::is_retryable`] says whether trying again may help.
    pub async fn mint(&self) -> Result<Token, MintError> {
        let credentials = tokio::select! {
            biased;
            found = self.credentials.provide_credentials() => found.map_err(MintError::from_provider)?,
            () = self.clock.sleep(CREDENTIALS_TIMEOUT) => return Err(MintError::TimedOut),
        };
        sign(&self.login, &credentials, self.clock.now())
            .map_err(|source| MintError::Sign { source: Arc::new(source) })
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
