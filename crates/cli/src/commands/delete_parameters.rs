//! `rds-iam delete-parameters`: deletes the app's parameters from Parameter Store.

use std::process::ExitCode;

use rds_iam_deploy::aws;
use rds_iam_deploy::ssm;
use rds_iam_infra::outputs::{Parameter, ParameterPath};
use rds_iam_token::Region;

use crate::{Failure, print_done};

/// Delete the app's parameters from Parameter Store, after the deployment was destroyed
///
/// Deletes them by name, because Terraform has no outputs by then. Other parameters under the path are kept.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Path of the parameters, such as /dev/database
    #[arg(long)]
    path: ParameterPath,

    /// Region of the deployment
    #[arg(long)]
    region: Region,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let aws = aws::connect(&arguments.region).await?;
    let names = Parameter::paths(&arguments.path).to_vec();
    let found = ssm::get_parameters(&aws, &names).await?;
    let names: Vec<_> = found.into_keys().collect();
    ssm::delete_parameters(&aws, &names).await?;
    let lines: String = names.iter().map(|name| format!("- {name}\n")).collect();
    let count = format!("{} deleted", names.len());
    print_done(&format!("{lines}{count}"), &count)?;
    Ok(ExitCode::SUCCESS)
}
