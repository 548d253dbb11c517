//! `rds-iam snapshot`: creates a snapshot of the database.

use std::process::ExitCode;

use rds_iam_deploy::aws;
use rds_iam_deploy::snapshot::create_snapshot;
use rds_iam_token::{Clock, Region};

use crate::{Failure, print_done};

/// Create a snapshot of the database, and wait until it can be restored
///
/// An existing snapshot of that name and database is kept.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Identifier of the database instance, such as orders-dev
    #[arg(long)]
    instance: String,

    /// Name of the snapshot
    #[arg(long)]
    name: String,

    /// Region of the deployment
    #[arg(long)]
    region: Region,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let aws = aws::connect(&arguments.region).await?;
    let Arguments { instance, name, .. } = arguments;
    let snapshot = create_snapshot(&aws, &Clock::system(), &instance, &name).await?;
    let result = if snapshot.existed { "already exists" } else { "created" };
    let done = format!("{name} of {instance}: {result} ({})", snapshot.arn);
    print_done(&done, &done)?;
    Ok(ExitCode::SUCCESS)
}
