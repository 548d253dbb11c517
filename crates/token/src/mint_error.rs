//! `MintError`: why credentials could not be fetched or a token not be signed, and whether a retry may help.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use thiserror::Error;

use crate::SignError;

/// The time limit of the source of credentials: 10 seconds, enough for a role chain, short enough that
/// several attempts fit in a token's last half.
pub(crate) const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(10);

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
    pub(crate) fn from_provider(error: CredentialsError) -> Self {
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
