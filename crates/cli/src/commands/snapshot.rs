//! `rds-iam snapshot`

use std::process::ExitCode;

use rds_iam_deploy::aws;
use rds_iam_deploy::snapshot::TakeSnapshot;
use rds_iam_token::{Clock, Region};

use crate::{Failure, print};

/// Take a snapshot of the database, and wait until it can be restored
///
/// One of that name of the same database counts as taken.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Identifier of the database instance, such as orders-dev
    #[arg(long)]
    instance: String,

    /// Name that the snapshot gets
    #[arg(long)]
    name: String,

    /// Region of the deployment
    #[arg(long)]
    region: Region,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let aws = aws::connect(&arguments.region).await;
    let take = TakeSnapshot { instance: arguments.instance, name: arguments.name };
    let snapshot = take.run(&aws, &Clock::system()).await?;
    let done = if snapshot.was_there { "was there already" } else { "taken" };
    print(&format!("{} of {}: {done} ({})", take.name, take.instance, snapshot.arn))?;
    Ok(ExitCode::SUCCESS)
}
