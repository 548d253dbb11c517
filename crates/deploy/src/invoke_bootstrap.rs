//! Invocation of bootstrap's Lambda function, which creates the database users.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;

use crate::aws::CallError;

/// A function runs for at most 15 minutes; AWS gets one more to answer.
const TIMEOUT: Duration = Duration::from_secs(16 * 60);

/// Invokes the function `function` in a mode (`apply`, `plan` or `check`) and returns its report. Invoking it again is
/// safe: an apply without differences changes nothing.
///
/// # Errors
/// Returns an error if the function can't be invoked, or fails itself; then its message names the fix.
pub async fn invoke_bootstrap(
    aws: &SdkConfig,
    function: &str,
    mode: &str,
) -> Result<Value, InvokeBootstrapError> {
    // One call, however long it takes: a second one would wait for the first one's lock on the database.
    let config = aws_sdk_lambda::config::Builder::from(aws)
        .timeout_config(TimeoutConfig::builder().operation_timeout(TIMEOUT).read_timeout(TIMEOUT).build())
        .retry_config(RetryConfig::disabled())
        .build();
    let event = serde_json::json!({ "mode": mode }).to_string();
    let client = aws_sdk_lambda::Client::from_conf(config);
    let call = client.invoke().function_name(function).payload(Blob::new(event)).send();
    let operation = format!("invoke the function {function}");
    let answer = call.await.map_err(CallError::from_sdk(operation, "lambda:InvokeFunction"))?;
    let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
    let report: Option<Value> = serde_json::from_slice(&payload).ok();
    let function = function.to_owned();
    match (answer.function_error, report) {
        (None, Some(report)) => Ok(report),
        (None, None) => Err(InvokeBootstrapError::NoReport { function }),
        (Some(_), failure) => {
            let text = |name: &str| failure.as_ref()?[name].as_str().map(str::to_owned);
            let kind = text("errorType").unwrap_or_else(|| "no type".to_owned());
            let message =
                text("errorMessage").unwrap_or_else(|| "no message; check its log in CloudWatch".to_owned());
            Err(InvokeBootstrapError::Failed { function, kind, message })
        }
    }
}

/// The function returned no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeBootstrapError {
    /// The call failed. If AWS did not answer, the function may still be running.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The function ran and failed.
    #[error("the function {function} failed ({kind}): {message}")]
    Failed {
        /// The function's name.
        function: String,
        /// The type of the error.
        kind: String,
        /// The function's message, with cause and fix.
        message: String,
    },
    /// The function's answer is not JSON.
    #[error(
        "the function {function} answered without a report: its package is not bootstrap's; deploy it again"
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

    const FUNCTION: &str = "orders-dev-bootstrap";
    const INVOKE: &str = "POST /2015-03-31/functions/orders-dev-bootstrap/invocations";

    #[tokio::test]
    async fn the_report_is_returned() {
        let aws = TestClient::new();
        aws.on(INVOKE, 200, r#"{"outcome":"applied"}"#);
        let report = invoke_bootstrap(&aws.config(), FUNCTION, "apply").await.unwrap();
        assert_eq!(report["outcome"], "applied");
        assert_eq!(aws.requests(INVOKE), [r#"{"mode":"apply"}"#]);
    }

    #[tokio::test]
    async fn errors_name_the_fix() {
        let aws = TestClient::new();
        aws.function_error(
            INVOKE,
            r#"{"errorType":"Bootstrap.Failed","errorMessage":"error in step 3 of 6: x"}"#,
        )
        .function_error(INVOKE, "not JSON")
        .on(INVOKE, 200, "not JSON")
        .on(INVOKE, 403, r#"{"__type":"AccessDeniedException"}"#);
        let mut errors = Vec::new();
        for _ in 0..4 {
            let result = invoke_bootstrap(&aws.config(), FUNCTION, "plan").await;
            errors.push(result.unwrap_err().to_string());
        }
        insta::assert_snapshot!(errors.join("\n"), @"
        the function orders-dev-bootstrap failed (Bootstrap.Failed): error in step 3 of 6: x
        the function orders-dev-bootstrap failed (no type): no message; check its log in CloudWatch
        the function orders-dev-bootstrap answered without a report: its package is not bootstrap's; deploy it again
        cannot invoke the function orders-dev-bootstrap: denied (AccessDeniedException): allow lambda:InvokeFunction in the caller's role
        ");
    }
}
