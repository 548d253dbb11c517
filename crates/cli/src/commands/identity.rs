//! `rds-iam identity`

use std::process::ExitCode;

use rds_iam_deploy::aws;
use rds_iam_deploy::identity::AskIdentity;
use rds_iam_token::Clock;

use crate::{Failure, OutputsFile, print};

/// Ask the service on one of its instances as whom it logs in to the database
///
/// Systems Manager runs curl there, for the route is on the management port, which nothing outside reaches. Prints the
/// answer of /api/identity, JSON in one line.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let outputs = arguments.outputs.read()?;
    let aws = aws::connect(&outputs.deployment.region).await;
    let ask = AskIdentity { group: outputs.app.autoscaling_group, port: outputs.app.management_port };
    let answer = ask.run(&aws, &Clock::system()).await?;
    print(&answer.identity.to_string())?;
    Ok(ExitCode::SUCCESS)
}
