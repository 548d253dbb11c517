//! `rds-iam delete-parameters`

use std::process::ExitCode;

use rds_iam_deploy::aws;
use rds_iam_deploy::ssm;
use rds_iam_infra::outputs::{Parameter, ParameterPath};
use rds_iam_token::Region;

use crate::{Failure, print};

/// Delete the app's settings from Parameter Store, once the deployment has been destroyed
///
/// By their names: nothing that Terraform put out is left by then. What else lies under the path stays.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where they are, such as /dev/database
    #[arg(long)]
    path: ParameterPath,

    /// Region of the deployment
    #[arg(long)]
    region: Region,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let aws = aws::connect(&arguments.region).await;
    let names = Parameter::paths(&arguments.path).to_vec();
    let there = ssm::get_parameters(&aws, &names).await?;
    let names: Vec<_> = there.into_keys().collect();
    ssm::delete_parameters(&aws, &names).await?;
    for name in &names {
        print(&format!("- {name}"))?;
    }
    print(&format!("{} deleted", names.len()))?;
    Ok(ExitCode::SUCCESS)
}
