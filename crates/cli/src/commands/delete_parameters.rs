//! `rds-iam delete-parameters`: deletes the app's parameters from Parameter Store.

use std::process::ExitCode;

use rds_iam_deploy::ssm;
use rds_iam_infra::outputs::{Parameter, ParameterPath};
use rds_iam_token::Region;

use crate::credentials::CredentialsOptions;
use crate::{Failure, print_done};

/// Delete the app's parameters from Parameter Store, after the deployment was destroyed
///
/// Deletes them by name, because Terraform has no outputs by then. Other parameters under the path are kept.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam delete-parameters --path /dev/database --region us-east-1

Exit status:
  0   they are deleted, or there were none
  1   error; the message names the cause and the fix, and a second run is safe
  64  invalid arguments; nothing was done")]
pub(crate) struct Arguments {
    /// Path of the parameters, such as /dev/database
    #[arg(long)]
    path: ParameterPath,

    /// Region of the deployment
    #[arg(long)]
    region: Region,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let aws = arguments.credentials.connect(&arguments.region).await?;
    let names = Parameter::paths(&arguments.path).to_vec();
    let found = ssm::get_parameters(&aws, &names).await?;
    let names: Vec<_> = found.into_keys().collect();
    ssm::delete_parameters(&aws, &names).await?;
    let lines: String = names.iter().map(|name| format!("- {name}\n")).collect();
    let count = format!("{} deleted", names.len());
    print_done(&format!("{lines}{count}"), &count)?;
    Ok(ExitCode::SUCCESS)
}
