//! `rds-iam invoke-bootstrap`: invokes bootstrap's Lambda function, which creates the database users, and
//! prints its report.

use std::process::ExitCode;

use clap::ValueEnum;
use rds_iam_deploy::invoke_bootstrap::invoke_bootstrap;

use crate::credentials::CredentialsOptions;
use crate::{DRIFT, Failure, OutputsFile, json, print_done};

/// Create the database users with bootstrap's Lambda function, and print its report
///
/// The report is bootstrap's JSON. Exits with 2 if a check finds drift.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam invoke-bootstrap --outputs outputs.json --mode plan
  rds-iam invoke-bootstrap --outputs outputs.json --mode apply

Exit status:
  0   the function ran; for a check: there is no drift
  1   error; the message names the cause and the fix, and a second run is safe
  2   the check found drift
  64  invalid arguments; nothing was done")]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,

    /// Mode of the function
    #[arg(long, value_enum)]
    mode: Mode,

    #[command(flatten)]
    credentials: CredentialsOptions,
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
    let aws = arguments.credentials.connect(&outputs.deployment.region).await?;
    let mode = match arguments.mode {
        Mode::Apply => "apply",
        Mode::Plan => "plan",
        Mode::Check => "check",
    };
    let report = invoke_bootstrap(&aws, &outputs.bootstrap.function_name, mode).await?;
    let done = format!("the function ran, with the outcome {}", report["outcome"]);
    print_done(&json(&report)?, &done)?;
    let has_drift = matches!(arguments.mode, Mode::Check) && report["outcome"] == "drift";
    Ok(if has_drift { DRIFT.into() } else { ExitCode::SUCCESS })
}
