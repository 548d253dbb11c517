//! `rds-iam invoke-bootstrap`

use std::process::ExitCode;

use clap::ValueEnum;
use rds_iam_deploy::aws;
use rds_iam_deploy::invoke_bootstrap::InvokeBootstrap;

use crate::{DRIFT, Failure, OutputsFile, print};

/// Have the function make the database's users, and print its report
///
/// The report is bootstrap's own JSON. Exits with 2 where a check finds drift.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,

    /// What the function does
    #[arg(long, value_enum)]
    mode: Mode,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// Make and mend the users
    Apply,
    /// Tell what would be done
    Plan,
    /// Tell whether something differs from the declaration
    Check,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let outputs = arguments.outputs.read()?;
    let aws = aws::connect(&outputs.deployment.region).await;
    let mode = match arguments.mode {
        Mode::Apply => "apply",
        Mode::Plan => "plan",
        Mode::Check => "check",
    };
    let invoke = InvokeBootstrap { function: outputs.bootstrap.function_name, mode: mode.to_owned() };
    let report = invoke.run(&aws).await?;
    print(&serde_json::to_string_pretty(&report)?)?;
    let has_drift = matches!(arguments.mode, Mode::Check) && report["outcome"] == "drift";
    Ok(if has_drift { DRIFT.into() } else { ExitCode::SUCCESS })
}
