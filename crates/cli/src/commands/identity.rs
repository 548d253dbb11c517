//! `rds-iam identity`: prints the database identity of the running service.

use std::process::ExitCode;

use rds_iam_deploy::identity::get_identity;
use rds_iam_token::Clock;

use crate::credentials::CredentialsOptions;
use crate::{Failure, OutputsFile, print, without};

/// Print the database identity of the running service
///
/// Systems Manager runs curl on one of its instances, because the management port is not reachable from outside. Prints
/// the answer of /api/identity, one line of JSON.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam identity --outputs outputs.json

Exit status:
  0   the identity is printed
  1   error; the message names the cause and the fix, and a second run is safe
  64  invalid arguments, or the deployment does not have this part; nothing was done")]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let outputs = arguments.outputs.read()?;
    let Some(app) = &outputs.app else { return Ok(without("app")) };
    let aws = arguments.credentials.connect(&outputs.deployment.region).await?;
    let (group, port) = (&app.autoscaling_group, app.management_port);
    let answer = get_identity(&aws, &Clock::system(), group, port).await?;
    print(&answer.identity.to_string())?;
    Ok(ExitCode::SUCCESS)
}
