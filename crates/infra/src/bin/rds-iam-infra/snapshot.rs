//! `rds-iam-infra snapshot`

use std::process::ExitCode;

use rds_iam_infra::aws;
use rds_iam_infra::snapshot::TakeSnapshot;
use rds_iam_token::Clock;

use crate::{Failure, OutputsFile, print};

/// Take a snapshot of the database, and wait until it can be restored
///
/// One of that name of the same database counts as taken.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,

    /// Name that the snapshot gets
    #[arg(long)]
    name: String,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let outputs = arguments.outputs.read()?;
    let aws = aws::connect(&outputs.deployment.region).await;
    let take = TakeSnapshot { instance: outputs.database.identifier, name: arguments.name };
    let snapshot = take.run(&aws, &Clock::system()).await?;
    let done = if snapshot.was_there { "was there already" } else { "taken" };
    print(&format!("{} of {}: {done} ({})", take.name, take.instance, snapshot.arn))?;
    Ok(ExitCode::SUCCESS)
}
