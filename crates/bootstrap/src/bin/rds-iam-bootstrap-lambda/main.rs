//! The bootstrap program as an AWS Lambda function, on the custom runtime `provided.al2023`. The crate's
//! README describes its event, environment and reply.
//!
//! All settings are read at each invocation, not at the start: so whoever invokes it gets what is wrong
//! with them as the answer, by the same way as every other failure. A function that ends while it starts
//! is started again by Lambda, and its first caller sees a runtime's exit code at best.

mod environment;
mod error;
mod event;

use std::process::ExitCode;
use std::time::Duration;

use lambda_runtime::layers::TracingLayer;
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use rds_iam_bootstrap::{Mode, Outcome, Report, Settings, run};
use rds_iam_report::{ErrorReport, log};
use serde_json::Value;

use environment::deployment;
use error::FunctionError;

/// As in BSD's sysexits.h: the command was used wrongly.
const EX_USAGE: u8 = 64;

/// What Lambda tells a runtime, and a person's shell doesn't.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// What is logged unless `RUST_LOG` says otherwise. The runtime's span has the id of the request.
const LOGGED: &str = "warn,lambda_runtime=info,rds_iam=info,rds_iam_token=error";

/// What a run leaves of the function's time. Lambda freezes a function at its end as it stands, and the
/// server would keep the lock for a connection that nobody closed.
const TO_CLOSE: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if std::env::var_os(RUNTIME_API).is_none() {
        eprintln!(
            "error: {RUNTIME_API} is not set, so this was not started by AWS Lambda\n  \
             On a machine of your own, run rds-iam-bootstrap instead."
        );
        return EX_USAGE.into();
    }
    log::to_stderr(log::Format::Json, LOGGED).expect("the process logs nowhere else");
    match Runtime::new(service_fn(invoked)).layer(TracingLayer::new()).run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %ErrorReport(&*error), "the Lambda Runtime API failed");
            ExitCode::FAILURE
        }
    }
}

/// One invocation. An error is logged by the runtime, once, and becomes a function error.
async fn invoked(event: LambdaEvent<Value>) -> Result<Report, FunctionError> {
    let mode = event::mode(&event.payload)?;
    let (conf, declaration) = deployment(|name| std::env::var_os(name))?;
    let mut settings = Settings::load(conf, declaration, mode).await;
    let left = event.context.deadline().duration_since(settings.clock.now()).unwrap_or_default();
    settings.time_limit = Some(left.saturating_sub(TO_CLOSE));
    let report = run(settings).await.map_err(|error| FunctionError::run(mode, &error))?;
    let changes = report.actions.len();
    match (mode, report.outcome) {
        (Mode::Check, Outcome::Drift) => {
            tracing::warn!(
                outcome = "drift",
                changes,
                "something differs from the declaration, and was left"
            );
        }
        (_, outcome) => tracing::info!(?mode, ?outcome, changes, "done"),
    }
    Ok(report)
}
