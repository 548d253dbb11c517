//! The error of an AWS call, by kind.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use rds_iam_report::escape_control;

/// A failed AWS call. `Display` names the operation, the reason and the fix.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation}: {kind}")]
#[non_exhaustive]
pub struct CallError {
    /// The operation and its object: `read the parameters /dev/app/image`.
    pub operation: String,
    /// The kind of error.
    pub kind: CallErrorKind,
    /// AWS's message, or the SDK's error if AWS did not answer.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl CallError {
    /// Converts the SDK's error; `action` is the IAM action that the call needs.
    pub(crate) fn from_sdk<E, R>(
        operation: impl Into<String>,
        action: &'static str,
    ) -> impl FnOnce(SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let operation = operation.into();
        move |error| {
            let kind = CallErrorKind::from_sdk(&error, action);
            let source = match error.as_service_error() {
                // The SDK's error would repeat the code, which the kind has, and the message.
                Some(service) => service.message().map(|message| escape_control(message).into()),
                // Without the raw response, which Debug would print.
                None => Some(error.into_source().unwrap_or_else(Box::from)),
            };
            Self { operation, kind, source }
        }
    }

    /// Returns whether the same call may succeed a moment later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self.kind, CallErrorKind::Throttled { .. } | CallErrorKind::Unreachable)
    }
}

/// The kind of a [`CallError`], by what the caller can do. `Display` gives AWS's error code and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallErrorKind {
    /// The caller lacks a permission.
    #[error("denied ({code}): allow {action} in the caller's role")]
    Denied {
        /// AWS's error code.
        code: String,
        /// The missing IAM action.
        action: &'static str,
    },
    /// AWS rejects the caller's credentials.
    #[error("AWS rejected the credentials ({code}): log in again, or renew the profile or role")]
    Credentials {
        /// AWS's error code.
        code: String,
    },
    /// No credentials are configured.
    #[error(
        "no credentials found: log in (`aws sso login`, AWS_PROFILE), or let the job assume its role \
         (on GitHub Actions `id-token: write` and configure-aws-credentials)"
    )]
    NoCredentials,
    /// The credentials provider failed.
    #[error(
        "the credentials provider failed: log in again, or renew the profile, role or token that it uses"
    )]
    CredentialsProvider,
    /// AWS throttled the call.
    #[error("throttled ({code}): retry in a minute")]
    Throttled {
        /// AWS's error code.
        code: String,
    },
    /// AWS answered with another error.
    #[error("AWS answered {code}")]
    Service {
        /// AWS's error code.
        code: String,
    },
    /// AWS did not answer.
    #[error("no answer: check the connection to AWS (AWS_ENDPOINT_URL, VPC endpoint) and retry")]
    Unreachable,
}

impl CallErrorKind {
    /// Codes from "Common Errors" in the references of the Systems Manager, RDS, EC2 Auto Scaling and ECR APIs, which
    /// use different names for the same error.
    fn from_sdk<E, R>(error: &SdkError<E, R>, action: &'static str) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let Some(service) = error.as_service_error() else { return Self::without_answer(error) };
        let code = escape_control(service.code().unwrap_or("no code"));
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

    /// Distinguishes a call that was never sent, for lack of credentials, from one without an answer.
    fn without_answer(error: &(dyn Error + 'static)) -> Self {
        let mut causes = std::iter::successors(Some(error), |&error| error.source());
        match causes.find_map(|error| error.downcast_ref::<CredentialsError>()) {
            Some(CredentialsError::CredentialsNotLoaded(_)) => Self::NoCredentials,
            Some(_) => Self::CredentialsProvider,
            None => Self::Unreachable,
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ssm::error::ErrorMetadata;
    use aws_sdk_ssm::operation::get_parameter::GetParameterError;

    use super::*;

    #[test]
    fn a_text_of_aws_begins_no_line() {
        let metadata = ErrorMetadata::builder().code("X\n::error::").message("y\n::error::").build();
        let error = SdkError::service_error(GetParameterError::generic(metadata), ());
        let error = CallError::from_sdk("read", "ssm:GetParameter")(error);
        assert_eq!(error.to_string(), "cannot read: AWS answered X\\n::error::");
        assert_eq!(error.source.unwrap().to_string(), "y\\n::error::");
    }
}
