//! `rds-iam-infra whoami`

use std::process::ExitCode;

use rds_iam_infra::arn::AccountId;
use rds_iam_infra::aws;
use rds_iam_infra::whoami::WhoAmI;
use rds_iam_token::Region;

use crate::{Failure, print};

/// Tell whose credentials these are, and refuse another account's
///
/// Prints one line of JSON: {"account","arn"}.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Region to ask in
    #[arg(long)]
    region: Region,

    /// Account that the credentials must be of, 12 digits
    #[arg(long)]
    account_id: AccountId,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let aws = aws::connect(&arguments.region).await;
    let caller = WhoAmI { account: arguments.account_id }.run(&aws).await?;
    print(&serde_json::to_string(&caller)?)?;
    Ok(ExitCode::SUCCESS)
}
