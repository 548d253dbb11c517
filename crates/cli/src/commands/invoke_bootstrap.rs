//! `rds-iam invoke-bootstrap`: invokes bootstrap's Lambda function, which creates the database users, and
//! prints its report.

use std::process::ExitCode;

use clap::ValueEnum;
use rds_iam_deploy::aws;
use rds_iam_deploy::invoke_bootstrap::invoke_bootstrap;

use crate::{DRIFT, Failure, OutputsFile, print_done};

/// Create the database users with bootstrap's Lambda function, and print its report
///
/// The report is bootstrap's JSON. Exits with 2 if a check finds drift.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,

    /// Mode of the function
    #[arg(long, value_enum)]
    mode: Mode,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// Create or update the database users
    Apply,
    /// Show the changes without making them
    Plan,
    /// Check for differences from the declaration
    Check,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let outputs = arguments.outputs.read()?;
    let aws = aws::connect(&outputs.deployment.region).await?;
    let mode = match arguments.mode {
        Mode::Apply => "apply",
        Mode::Plan => "plan",
        Mode::Check => "check",
    };
    let report = invoke_bootstrap(&aws, &outputs.bootstrap.function_name, mode).await?;
    let done = format!("the function ran, with the outcome {}", report["outcome"]);
    print_done(&serde_json::to_string_pretty(&report)?, &done)?;
    let has_drift = matches!(arguments.mode, Mode::Check) && report["outcome"] == "drift";
    Ok(if has_drift { DRIFT.into() } else { ExitCode::SUCCESS })
}
