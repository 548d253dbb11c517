//! The bootstrap program as an AWS Lambda function, on the custom runtime `provided.al2023`. The crate's
//! README describes its event, environment and reply.
//!
//! All settings are read at each invocation, not at the start, so that the caller receives their errors in the same way
//! as every other failure. A function that exits while it starts is restarted by Lambda, and its first caller gets a
//! runtime's exit code at best.

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

/// The exit status of a usage error, from BSD's sysexits.h.
const EX_USAGE: u8 = 64;

/// The variable that Lambda sets for a runtime, and a shell does not.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// The log filter unless `RUST_LOG` is set. The runtime's span has the request's id.
const LOGGED: &str = "warn,lambda_runtime=info,rds_iam=info,rds_iam_token=error";

/// The part of the function's time limit that a run leaves for closing its connections. Lambda freezes a function at
/// its limit, and the server would keep the lock of a connection that is still open.
const TO_CLOSE: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if std::env::var_os(RUNTIME_API).is_none() {
        eprintln!(
            "error: {RUNTIME_API} is not set, so AWS Lambda did not start this program\n  \
             Elsewhere, run rds-iam-bootstrap instead."
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

/// Handles one invocation. The runtime logs an error once and returns it as a function error.
async fn invoked(event: LambdaEvent<Value>) -> Result<Report, FunctionError> {
    let mode = event::mode(&event.payload)?;
    let (conf, declaration) = deployment(|name| std::env::var_os(name))?;
    let loaded = Settings::load(conf, declaration, mode).await;
    let mut settings = loaded.map_err(|error| FunctionError::run(mode, &error))?;
    let left = event.context.deadline().duration_since(settings.clock.now()).unwrap_or_default();
    settings.time_limit = Some(left.saturating_sub(TO_CLOSE));
    let report = run(settings).await.map_err(|error| FunctionError::run(mode, &error))?;
    let changes = report.actions.len();
    match (mode, report.outcome) {
        (Mode::Check, Outcome::Drift) => {
            tracing::warn!(
                outcome = "drift",
                changes,
                "the server differs from the declaration, and was left"
            );
        }
        (_, outcome) => tracing::info!(?mode, ?outcome, changes, "done"),
    }
    Ok(report)
}
