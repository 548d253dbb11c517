//! `rds-iam-infra whoami`

use std::process::ExitCode;

use rds_iam_infra::arn::AccountId;
use rds_iam_infra::aws;
use rds_iam_infra::permissions::{Permission, SimulatePermissions};
use rds_iam_infra::whoami::{Caller, WhoAmI};
use rds_iam_token::Region;

use crate::{Failure, print};

/// Tell whose credentials these are, and refuse another account's
///
/// Prints one line of JSON: {"account","arn","lacks"}, and "not_asked" where IAM did not tell what they may do.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Region to ask in
    #[arg(long)]
    region: Region,

    /// Account that the credentials must be of, 12 digits
    #[arg(long)]
    account_id: AccountId,

    /// A right to ask IAM about, as ACTION=RESOURCE; the resource is * or an ARN without arn:<partition>:
    #[arg(long = "may", value_name = "RIGHT")]
    permissions: Vec<Permission>,
}

#[derive(serde::Serialize)]
struct Told {
    #[serde(flatten)]
    caller: Caller,
    lacks: Vec<Permission>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_asked: Option<String>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let aws = aws::connect(&arguments.region).await;
    let caller = WhoAmI { account: arguments.account_id }.run(&aws).await?;
    let Arguments { region, permissions, .. } = arguments;
    let simulate = SimulatePermissions { caller: caller.clone(), region, permissions };
    let (lacks, not_asked) = match simulate.run(&aws).await {
        Ok(lacks) => (lacks, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    print(&serde_json::to_string(&Told { caller, lacks, not_asked })?)?;
    Ok(ExitCode::SUCCESS)
}
