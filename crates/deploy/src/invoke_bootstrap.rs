//! Runs the function that makes the database's users, and hands on its report.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;

use crate::aws::CallError;

/// A function runs for 15 minutes at most; a minute more for AWS to say so.
const TIMEOUT: Duration = Duration::from_secs(16 * 60);

/// Invokes the function, and waits for its report.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the event has nothing else, and callers build it")]
pub struct InvokeBootstrap {
    /// The function's name.
    pub function: String,
    /// What it should do: `apply`, `plan` or `check`.
    pub mode: String,
}

impl InvokeBootstrap {
    /// Invokes it. Running it again is safe: an apply that finds everything in place changes nothing.
    ///
    /// # Errors
    /// Where it can't be invoked, or the function itself failed; then its message says what to do.
    pub async fn run(&self, aws: &SdkConfig) -> Result<Value, InvokeBootstrapError> {
        let Self { function, mode } = self;
        // One call, however long it takes: a second one would wait for the first one's lock on the database.
        let config = aws_sdk_lambda::config::Builder::from(aws)
            .timeout_config(TimeoutConfig::builder().operation_timeout(TIMEOUT).read_timeout(TIMEOUT).build())
            .retry_config(RetryConfig::disabled())
            .build();
        let event = serde_json::json!({ "mode": mode }).to_string();
        let client = aws_sdk_lambda::Client::from_conf(config);
        let call = client.invoke().function_name(function).payload(Blob::new(event)).send();
        let doing = format!("invoke the function {function}");
        let answer = call.await.map_err(CallError::from_sdk(doing, "lambda:InvokeFunction"))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        let report: Option<Value> = serde_json::from_slice(&payload).ok();
        let function = function.clone();
        match (answer.function_error, report) {
            (None, Some(report)) => Ok(report),
            (None, None) => Err(InvokeBootstrapError::NoReport { function }),
            (Some(_), failure) => {
                let text = |name: &str| failure.as_ref()?[name].as_str().map(str::to_owned);
                let kind = text("errorType").unwrap_or_else(|| "no type".to_owned());
                let message = text("errorMessage")
                    .unwrap_or_else(|| "no message; its log in CloudWatch may tell more".to_owned());
                Err(InvokeBootstrapError::Failed { function, kind, message })
            }
        }
    }
}

/// There is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeBootstrapError {
    /// It could not be invoked, or AWS did not answer; then it may still be running.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It ran and failed.
    #[error("the function {function} failed ({kind}): {message}")]
    Failed {
        /// The function's name.
        function: String,
        /// The error's type.
        kind: String,
        /// What it says about the cause and the mend.
        message: String,
    },
    /// It ran, and what it answered is not JSON.
    #[error(
        "the function {function} answered without a report: its package is of something else than bootstrap"
    )]
    NoReport {
        /// The function's name.
        function: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::test_client::TestClient;

    const INVOKE: &str = "POST /2015-03-31/functions/orders-dev-bootstrap/invocations";

    fn invoke(mode: &str) -> InvokeBootstrap {
        InvokeBootstrap { function: "orders-dev-bootstrap".to_owned(), mode: mode.to_owned() }
    }

    #[tokio::test]
    async fn the_report_is_handed_on() {
        let aws = TestClient::new();
        aws.on(INVOKE, 200, r#"{"outcome":"applied"}"#);
        assert_eq!(invoke("apply").run(&aws.config()).await.unwrap()["outcome"], "applied");
        assert_eq!(aws.asked(INVOKE), [r#"{"mode":"apply"}"#]);
    }

    #[tokio::test]
    async fn failures_say_what_to_do() {
        let aws = TestClient::new();
        aws.function_error(
            INVOKE,
            r#"{"errorType":"Bootstrap.Failed","errorMessage":"error in step 3 of 6: x"}"#,
        )
        .function_error(INVOKE, "not JSON")
        .on(INVOKE, 200, "not JSON")
        .on(INVOKE, 403, r#"{"__type":"AccessDeniedException"}"#);
        let mut said = Vec::new();
        for _ in 0..4 {
            said.push(invoke("plan").run(&aws.config()).await.unwrap_err().to_string());
        }
        insta::assert_snapshot!(said.join("\n"), @"
        the function orders-dev-bootstrap failed (Bootstrap.Failed): error in step 3 of 6: x
        the function orders-dev-bootstrap failed (no type): no message; its log in CloudWatch may tell more
        the function orders-dev-bootstrap answered without a report: its package is of something else than bootstrap
        cannot invoke the function orders-dev-bootstrap: denied (AccessDeniedException): allow the caller's role lambda:InvokeFunction there
        ");
    }
}
