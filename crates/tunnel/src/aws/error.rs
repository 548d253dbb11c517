//! Errors of Systems Manager, each with what to do.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use serde_json::json;
use thiserror::Error;

use super::Via;
use crate::text::escape;

/// The reason why a call of Systems Manager failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AwsError {
    /// No agent is connected under this id.
    #[error(
        "{target} is not connected to Session Manager in {region}. Check that the instance is in this region and \
         runs, that its role allows Session Manager, and that it reaches the service: through the endpoints ssm and \
         ssmmessages, or a NAT gateway"
    )]
    NotConnected {
        /// The instance.
        target: String,
        /// The region of the call.
        region: String,
    },
    /// No instance is online that has the tag or is in the group.
    #[error(
        "no instance with {via} is online in Session Manager in {region}. Check tag or group, that an instance runs, \
         and that its agent is connected (aws ssm describe-instance-information)"
    )]
    NoInstance {
        /// What was searched for.
        via: Via,
        /// The region of the call.
        region: String,
    },
    /// The document is not in this region, or can't be used.
    #[error(
        "the document {document} can't be used in {region}: {message} AWS has it in all regions: check AWS_ENDPOINT_URL"
    )]
    NoDocument {
        /// The document.
        document: &'static str,
        /// The region of the call.
        region: String,
        /// AWS's text.
        message: String,
    },
    /// The caller's policies do not allow the call.
    #[error(
        "{action} is denied. Allow the caller's role this statement: {statement}. AWS's answer: {message}"
    )]
    Denied {
        /// The action.
        action: &'static str,
        /// The statement of a policy that allows it.
        statement: String,
        /// AWS's text.
        message: String,
    },
    /// AWS does not accept the credentials.
    #[error("AWS rejected the credentials ({code}) in {action}: log in again, or renew the profile or role")]
    Credentials {
        /// The action.
        action: &'static str,
        /// AWS's code.
        code: String,
    },
    /// There are no credentials.
    #[error(
        "no credentials for {action}: log in (`aws sso login`, AWS_PROFILE), or let the job assume its role (on GitHub \
         Actions `id-token: write` and configure-aws-credentials)"
    )]
    NoCredentials {
        /// The action.
        action: &'static str,
        /// The cause.
        source: Box<dyn Error + Send + Sync>,
    },
    /// AWS throttled the call.
    #[error("{action} was throttled ({code}): retry in a minute")]
    Throttled {
        /// The action.
        action: &'static str,
        /// AWS's code.
        code: String,
    },
    /// Another error of the service.
    #[error("{action} failed with {code}: {message}")]
    Service {
        /// The action.
        action: &'static str,
        /// AWS's code.
        code: String,
        /// AWS's text.
        message: String,
    },
    /// The service did not answer.
    #[error(
        "no answer to {action} in {region}. Check the connection to AWS (AWS_ENDPOINT_URL, VPC endpoint)"
    )]
    NoAnswer {
        /// The action.
        action: &'static str,
        /// The region of the call.
        region: String,
        /// The cause.
        source: Box<dyn Error + Send + Sync>,
    },
    /// What the answer calls an instance is none.
    #[error(
        "the answer to {action} has the instance {id:?}, which is no id of an instance (i-0123456789abcdef0). Check \
         AWS_ENDPOINT_URL"
    )]
    NoInstanceId {
        /// The action.
        action: &'static str,
        /// The text in the answer.
        id: String,
    },
    /// The answer lacks what the model of the API promises.
    #[error("the answer to {action} has no session, address or token. Check AWS_ENDPOINT_URL")]
    Incomplete {
        /// The action.
        action: &'static str,
    },
}

impl AwsError {
    /// Returns the error of a call. `statement` makes the statement of a policy from AWS's text. The codes are from
    /// "Common Errors" in the API reference of Systems Manager.
    pub(crate) fn of<E, R>(
        action: &'static str,
        region: &str,
        error: SdkError<E, R>,
        statement: impl FnOnce(&str) -> String,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let Some(service) = error.as_service_error() else {
            return Self::without_answer(action, region, error);
        };
        let code = escape(service.code().unwrap_or("an error without a code"));
        let message = escape(service.message().unwrap_or("no text"));
        match code.as_str() {
            "AccessDeniedException" | "AccessDenied" | "NotAuthorized" => {
                Self::Denied { action, statement: statement(&message), message }
            }
            "ExpiredTokenException"
            | "ExpiredToken"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "IncompleteSignature"
            | "InvalidSignatureException"
            | "MissingAuthenticationTokenException" => Self::Credentials { action, code },
            "ThrottlingException" | "Throttling" | "TooManyRequestsException" | "RequestLimitExceeded" => {
                Self::Throttled { action, code }
            }
            _ => Self::Service { action, code, message },
        }
    }

    fn without_answer<E, R>(action: &'static str, region: &str, error: SdkError<E, R>) -> Self
    where
        E: Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let mut causes =
            std::iter::successors(Some(&error as &(dyn Error + 'static)), |&error| error.source());
        let is_of_credentials = causes.any(<dyn Error>::is::<CredentialsError>);
        // Without the raw response, which Debug would print.
        let source = error.into_source().unwrap_or_else(Box::from);
        if is_of_credentials {
            return Self::NoCredentials { action, source };
        }
        Self::NoAnswer { action, region: region.to_owned(), source }
    }
}

/// Returns the statement of a policy that allows actions on resources.
pub(crate) fn statement(actions: &[&str], resources: &[String]) -> String {
    json!({ "Effect": "Allow", "Action": actions, "Resource": resources }).to_string()
}

/// Returns the statement that allows a session of a document with an instance, and none without a document: that would be
/// a shell. AWS checks the document only if each statement that allows the action has this condition. Source: "Start a
/// session with a document by specifying the session documents in IAM policies" in the user guide of Systems Manager.
pub(super) fn start_statement(message: &str, region: &str, target: &str, document: &str) -> String {
    let (partition, account) = origin(message);
    let instance = match target.starts_with("mi-") {
        true => format!("arn:{partition}:ssm:{region}:{account}:managed-instance/{target}"),
        false => format!("arn:{partition}:ec2:{region}:{account}:instance/{target}"),
    };
    let document = format!("arn:{partition}:ssm:{region}::document/{document}");
    json!({
        "Effect": "Allow",
        "Action": ["ssm:StartSession"],
        "Resource": [instance, document],
        "Condition": { "BoolIfExists": { "ssm:SessionDocumentAccessCheck": "true" } },
    })
    .to_string()
}

/// Returns the statement that allows to resume and end the caller's own sessions.
pub(super) fn own_sessions_statement(message: &str, region: &str) -> String {
    let (partition, account) = origin(message);
    json!({
        "Effect": "Allow",
        "Action": ["ssm:ResumeSession", "ssm:TerminateSession"],
        "Resource": format!("arn:{partition}:ssm:{region}:{account}:session/*"),
        "Condition": { "StringEquals": { "ssm:resourceTag/aws:ssmmessages:session-id": "${aws:userid}" } },
    })
    .to_string()
}

/// Returns the partition and the account of the caller, whose ARN is in AWS's text.
fn origin(message: &str) -> (&str, &str) {
    let arn = message.find("arn:").map_or("", |start| &message[start..]);
    let mut parts = arn.split(':').skip(1);
    let partition = parts.next().unwrap_or("aws");
    let account = parts.nth(2).filter(|account| account.len() == 12).unwrap_or("ACCOUNT");
    (partition, account)
}

#[cfg(test)]
mod tests {
    use aws_sdk_ssm::error::ErrorMetadata;
    use aws_sdk_ssm::operation::start_session::StartSessionError;

    use super::*;

    #[test]
    fn a_text_of_aws_begins_no_line() {
        for code in ["AccessDeniedException", "ExpiredToken", "Other\n::error::"] {
            let metadata = ErrorMetadata::builder().code(code).message("denied\n::error::\u{1b}[2J").build();
            let error = SdkError::service_error(StartSessionError::generic(metadata), ());
            let error = AwsError::of("ssm:StartSession", "eu-west-1", error, str::to_owned);
            assert!(!error.to_string().contains(char::is_control), "{error:?}");
        }
    }

    #[test]
    fn a_statement_has_the_caller_s_account_and_partition() {
        let message = "User: arn:aws-cn:sts::123456789012:assumed-role/ada/session is not authorized to perform: \
                       ssm:StartSession on resource: arn:aws-cn:ec2:cn-north-1:123456789012:instance/i-1";
        assert_eq!(
            start_statement(message, "cn-north-1", "i-1", "AWS-StartInteractiveCommand"),
            r#"{"Action":["ssm:StartSession"],"Condition":{"BoolIfExists":{"ssm:SessionDocumentAccessCheck":"true"}},"Effect":"Allow","Resource":["arn:aws-cn:ec2:cn-north-1:123456789012:instance/i-1","arn:aws-cn:ssm:cn-north-1::document/AWS-StartInteractiveCommand"]}"#
        );
        let unknown = start_statement("denied", "eu-west-1", "mi-1", "D");
        assert!(unknown.contains("arn:aws:ssm:eu-west-1:ACCOUNT:managed-instance/mi-1"), "{unknown}");
        let own = own_sessions_statement(message, "cn-north-1");
        assert!(own.contains("arn:aws-cn:ssm:cn-north-1:123456789012:session/*"), "{own}");
    }
}
