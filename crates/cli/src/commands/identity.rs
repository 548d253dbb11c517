//! `rds-iam identity`: prints the database identity of the running service.

use std::process::ExitCode;

use rds_iam_deploy::aws;
use rds_iam_deploy::identity::get_identity;
use rds_iam_token::Clock;

use crate::{Failure, OutputsFile, print, without};

/// Print the database identity of the running service
///
/// Systems Manager runs curl on one of its instances, because the management port is not reachable from outside. Prints
/// the answer of /api/identity, one line of JSON.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let outputs = arguments.outputs.read()?;
    let Some(app) = &outputs.app else { return Ok(without("app")) };
    let aws = aws::connect(&outputs.deployment.region).await?;
    let (group, port) = (&app.autoscaling_group, app.management_port);
    let answer = get_identity(&aws, &Clock::system(), group, port).await?;
    print(&answer.identity.to_string())?;
    Ok(ExitCode::SUCCESS)
}
