//! Why Parameter Store did not do what it was asked, grouped by what the caller can do.

use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};

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
    /// The caller's credentials are no good, or there are none.
    #[error("AWS does not accept the credentials ({code}): log in again, or renew the profile or role")]
    Credentials {
        /// AWS's code.
        code: String,
    },
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
    #[error("no answer: check the credentials' source and the way to AWS (AWS_ENDPOINT_URL, VPC endpoint)")]
    Unreachable,
}

impl Cause {
    /// Codes from "Common Errors" in the Systems Manager API reference.
    pub(super) fn of<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>, action: &'static str) -> Self {
        let Some(service) = error.as_service_error() else { return Self::Unreachable };
        let code = service.code().unwrap_or("no code").to_owned();
        match code.as_str() {
            "AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "OptInRequired" => {
                Self::Denied { code, action }
            }
            "ExpiredTokenException"
            | "ExpiredToken"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "IncompleteSignature"
            | "InvalidSignatureException"
            | "MissingAuthenticationTokenException" => Self::Credentials { code },
            "ThrottlingException" | "TooManyUpdates" | "RequestLimitExceeded" => Self::Throttled { code },
            _ => Self::Service { code },
        }
    }
}
