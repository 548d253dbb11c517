//! Why AWS did not do what it was asked, grouped by what the caller can do.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};

/// A call that failed. `Display` names what was to be done, why it was not, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}: {cause}")]
#[non_exhaustive]
pub struct CallError {
    /// What was to be done, and to what: `read the parameters /dev/app/image`.
    pub doing: String,
    /// Why it was not, and what to do.
    pub cause: Cause,
    /// What the client said.
    pub source: Box<dyn Error + Send + Sync>,
}

impl CallError {
    /// Turns what the client says into an error; `action` is the permission that the call takes.
    pub(crate) fn from_sdk<E, R>(
        doing: impl Into<String>,
        action: &'static str,
    ) -> impl FnOnce(SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let doing = doing.into();
        move |error| {
            let cause = Cause::from_sdk(&error, action);
            // Without the response as it came, which Debug would print.
            Self { doing, cause, source: error.into_source().unwrap_or_else(Box::from) }
        }
    }
}

/// Why a call failed. `Display` says what to do, after the code that AWS answered with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The caller may not.
    #[error("denied ({code}): allow the caller's role {action} there")]
    Denied {
        /// AWS's code.
        code: String,
        /// The permission that it takes.
        action: &'static str,
    },
    /// The caller's credentials are no good.
    #[error("AWS does not accept the credentials ({code}): log in again, or renew the profile or role")]
    Credentials {
        /// AWS's code.
        code: String,
    },
    /// There are no credentials at all.
    #[error(
        "there are no credentials: log in (`aws sso login`, AWS_PROFILE), or let the job take its role \
         (on GitHub Actions `id-token: write` and configure-aws-credentials)"
    )]
    NoCredentials,
    /// There is a source of credentials, and it gave none.
    #[error(
        "the source of the credentials gave none: log in again, or renew the profile, role or token it takes"
    )]
    CredentialsSource,
    /// Too many calls.
    #[error("too many calls at once ({code}): run it again in a minute")]
    Throttled {
        /// AWS's code.
        code: String,
    },
    /// Another answer.
    #[error("AWS answered {code}")]
    Service {
        /// AWS's code.
        code: String,
    },
    /// No answer.
    #[error("no answer: check the way to AWS (AWS_ENDPOINT_URL, VPC endpoint) and run it again")]
    Unreachable,
}

impl Cause {
    /// Codes from "Common Errors" in the references of the Systems Manager, RDS, EC2 Auto Scaling and ECR APIs,
    /// which name the same thing differently.
    fn from_sdk<E, R>(error: &SdkError<E, R>, action: &'static str) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let Some(service) = error.as_service_error() else { return Self::without_answer(error) };
        let code = service.code().unwrap_or("no code").to_owned();
        match code.as_str() {
            "AccessDeniedException"
            | "AccessDenied"
            | "NotAuthorized"
            | "OptInRequired"
            | "UnauthorizedOperation" => Self::Denied { code, action },
            "ExpiredTokenException"
            | "ExpiredToken"
            | "RequestExpired"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "AuthFailure"
            | "IncompleteSignature"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException" => Self::Credentials { code },
            "ThrottlingException"
            | "Throttling"
            | "TooManyUpdates"
            | "TooManyRequestsException"
            | "RequestLimitExceeded" => Self::Throttled { code },
            _ => Self::Service { code },
        }
    }

    /// No call was made where there was nothing to sign it with.
    fn without_answer(error: &(dyn Error + 'static)) -> Self {
        let mut causes = std::iter::successors(Some(error), |&error| error.source());
        match causes.find_map(|error| error.downcast_ref::<CredentialsError>()) {
            Some(CredentialsError::CredentialsNotLoaded(_)) => Self::NoCredentials,
            Some(_) => Self::CredentialsSource,
            None => Self::Unreachable,
        }
    }
}
