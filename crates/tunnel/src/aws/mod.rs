//! The calls of Systems Manager, made with the AWS SDK.

mod error;
mod kms;
mod via;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::retry::RetryConfig;
use aws_sdk_ssm::error::ProvideErrorMetadata as _;
use aws_sdk_ssm::operation::resume_session::ResumeSessionError;
use aws_sdk_ssm::operation::start_session::StartSessionOutput;
use aws_sdk_ssm::types::InstanceInformationStringFilter;
use tokio::time::timeout;

pub use self::error::AwsError;
pub use self::kms::KmsKeys;
pub use self::via::{Via, ViaError};
use crate::text::escape;
use crate::{Api, ApiError, Call, Refused, StartRequest, Started, Token};

/// The action that finds an instance.
const DESCRIBE: &str = "ssm:DescribeInstanceInformation";

/// The time to find an instance.
const SEARCH: Duration = Duration::from_secs(30);

/// Systems Manager in one region, with the credentials of an AWS configuration. The caller's permissions are
/// `ssm:StartSession` on the instance and the document, `ssm:ResumeSession` and `ssm:TerminateSession` on its own
/// sessions, and `ssm:DescribeInstanceInformation` if the instance is found by a tag or a group.
#[derive(Clone, Debug)]
pub struct AwsApi {
    client: Client,
    region: String,
}

impl AwsApi {
    /// Creates the client. Nothing is called.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        Self { client: Client::new(config), region }
    }

    /// Returns the id of an instance. One that is named by its id is returned without a call, and whether it is there
    /// shows when a session is started. Of several that have the tag or are in the group, and are online, the first in
    /// the order of their ids is returned.
    ///
    /// # Errors
    /// Returns [`AwsError::NoInstance`] if none is online, and otherwise the reason why AWS did not say.
    pub async fn instance(&self, via: &Via) -> Result<String, AwsError> {
        let (key, value) = match via {
            Via::Instance(id) => return Ok(id.clone()),
            Via::Tag { key, value } => (format!("tag:{key}"), value),
            // Auto Scaling sets this tag on each of its instances.
            Via::Group(name) => ("tag:aws:autoscaling:groupName".to_owned(), name),
        };
        let region = || self.region.clone();
        // A list whose pages always name another one would never end.
        let first = timeout(SEARCH, self.first_online(&key, value)).await.unwrap_or_else(|_| {
            let source = format!("the list of instances did not end within {} s", SEARCH.as_secs()).into();
            Err(AwsError::NoAnswer { action: DESCRIBE, region: region(), source })
        })?;
        first.ok_or_else(|| AwsError::NoInstance { via: via.clone(), region: region() })
    }

    /// Returns the first instance that is online and has this value, in the order of their ids.
    async fn first_online(&self, key: &str, value: &str) -> Result<Option<String>, AwsError> {
        let mut found = self
            .client
            .describe_instance_information()
            .filters(filter("PingStatus", "Online"))
            .filters(filter(key, value))
            .into_paginator()
            .items()
            .send();
        let mut first: Option<String> = None;
        while let Some(instance) = found.next().await {
            let statement = |_: &str| error::statement(&[DESCRIBE], &["*".to_owned()]);
            let instance =
                instance.map_err(|error| AwsError::of(DESCRIBE, &self.region, error, statement))?;
            let id = instance.instance_id.map(|id| checked(DESCRIBE, id)).transpose()?;
            first = first.into_iter().chain(id).min();
        }
        Ok(first)
    }

    async fn start_session(&self, request: &StartRequest) -> Result<Started, AwsError> {
        const ACTION: &str = "ssm:StartSession";
        let StartRequest { target, document, parameters, .. } = request;
        let mut call = self.client.start_session().target(target).document_name(*document);
        for (name, value) in parameters {
            call = call.parameters(*name, vec![value.clone()]);
        }
        // Each attempt may have begun a session, which no task would end.
        let once = aws_sdk_ssm::config::Builder::new().retry_config(RetryConfig::disabled());
        let answer = call.customize().config_override(once).send().await.map_err(|error| {
            let service = error.as_service_error();
            match service.and_then(|error| error.code()) {
                Some("TargetNotConnected") => {
                    AwsError::NotConnected { target: target.clone(), region: self.region.clone() }
                }
                Some("InvalidDocument") => {
                    let message = escape(service.and_then(|error| error.message()).unwrap_or("no text."));
                    AwsError::NoDocument { document, region: self.region.clone(), message }
                }
                _ => AwsError::of(ACTION, &self.region, error, |message| {
                    error::start_statement(message, &self.region, target, document)
                }),
            }
        })?;
        started(answer).ok_or(AwsError::Incomplete { action: ACTION })
    }

    async fn resume_session(&self, session_id: &str) -> Result<Option<Token>, AwsError> {
        const ACTION: &str = "ssm:ResumeSession";
        let error = match self.client.resume_session().session_id(session_id).send().await {
            Ok(answer) => return Ok(answer.token_value.map(Token::new)),
            Err(error) => error,
        };
        if error.as_service_error().is_some_and(ResumeSessionError::is_does_not_exist_exception) {
            return Ok(None);
        }
        let statement = |message: &str| error::own_sessions_statement(message, &self.region);
        Err(AwsError::of(ACTION, &self.region, error, statement))
    }

    async fn terminate_session(&self, session_id: &str) -> Result<(), AwsError> {
        const ACTION: &str = "ssm:TerminateSession";
        let answer = self.client.terminate_session().session_id(session_id).send().await;
        answer.map(drop).map_err(|error| {
            AwsError::of(ACTION, &self.region, error, |message| {
                error::own_sessions_statement(message, &self.region)
            })
        })
    }
}

impl Api for AwsApi {
    fn start<'a>(&'a self, request: &'a StartRequest) -> Call<'a, Started> {
        Box::pin(async { Ok(self.start_session(request).await?) })
    }

    fn resume<'a>(&'a self, session_id: &'a str) -> Call<'a, Option<Token>> {
        Box::pin(async { self.resume_session(session_id).await.map_err(not_resumed) })
    }

    fn terminate<'a>(&'a self, session_id: &'a str) -> Call<'a, ()> {
        Box::pin(async { Ok(self.terminate_session(session_id).await?) })
    }
}

/// Returns the error of `ResumeSession`. Another attempt would be denied, too, while connections wait.
fn not_resumed(error: AwsError) -> ApiError {
    match error {
        AwsError::Denied { .. } => Refused(error.into()).into(),
        error => error.into(),
    }
}

/// Returns what a session needs of an answer, if it is there. The id is also part of messages.
fn started(answer: StartSessionOutput) -> Option<Started> {
    let is_set = |text: &String| !text.is_empty();
    let session_id = answer.session_id.filter(is_set).filter(|id| !id.contains(char::is_control))?;
    let stream_url = answer.stream_url.filter(is_set)?;
    let token = Token::new(answer.token_value.filter(is_set)?);
    Some(Started { session_id, stream_url, token })
}

/// Returns an id of an answer if it is one of an instance: it is printed, and names the instance of the session.
fn checked(action: &'static str, id: String) -> Result<String, AwsError> {
    match id.parse::<Via>() {
        Ok(Via::Instance(_)) => Ok(id),
        _ => Err(AwsError::NoInstanceId { action, id }),
    }
}

fn filter(key: &str, value: &str) -> InstanceInformationStringFilter {
    let filter = InstanceInformationStringFilter::builder().key(key).values(value).build();
    filter.expect("key and values are set")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_an_id_an_address_and_a_token() {
        let answer = |id: &str, url: &str, token: &str| {
            started(StartSessionOutput::builder().session_id(id).stream_url(url).token_value(token).build())
        };
        assert_eq!(answer("ada-0a1b", "wss://x", "t").unwrap().session_id, "ada-0a1b");
        for (id, url, token) in
            [("", "wss://x", "t"), ("i", "", "t"), ("i", "wss://x", ""), ("i\n", "wss://x", "t")]
        {
            assert!(answer(id, url, token).is_none(), "{id:?} {url:?} {token:?}");
        }
        assert!(started(StartSessionOutput::builder().build()).is_none());
    }

    #[test]
    fn a_denied_resumption_is_not_repeated_and_others_are() {
        let (action, code) = ("ssm:ResumeSession", "X".to_owned());
        let denied = AwsError::Denied { action, statement: "{}".to_owned(), message: "no".to_owned() };
        let refused = not_resumed(denied).downcast::<Refused>().unwrap();
        assert!(refused.to_string().starts_with("ssm:ResumeSession is denied."), "{refused}");
        for passing in
            [AwsError::Throttled { action, code: code.clone() }, AwsError::Credentials { action, code }]
        {
            assert!(!not_resumed(passing).is::<Refused>());
        }
    }

    #[test]
    fn an_answer_s_instance_has_the_id_of_one() {
        let id = "mi-0123456789abcdef0";
        assert_eq!(checked("ssm:X", id.to_owned()).unwrap(), id);
        for wrong in ["", "i-01234567\n::error::x", "tag:Name=x", "asg:x"] {
            let error = checked("ssm:X", wrong.to_owned()).unwrap_err();
            assert!(!error.to_string().contains(char::is_control), "{error}");
        }
    }
}
