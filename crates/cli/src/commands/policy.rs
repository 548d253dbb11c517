//! `rds-iam policy`: prints the policy that allows a role to log in to a database as some users.

use std::process::ExitCode;

use rds_iam_infra::arn::{AccountId, RdsDbArn, ResourceId};
use rds_iam_infra::policy::ConnectPolicy;
use rds_iam_token::{DbUser, Region};

use crate::{Failure, print};

/// Print the IAM policy that allows logins as database users
///
/// Allows rds-db:connect on these users of one database, cluster or proxy, and nothing else. The partition is that of
/// the region. Calls nothing of AWS. A program that connects through a proxy needs the policy for the proxy (prx-…).
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The resource id is not the name of the database:
  aws rds describe-db-instances --query 'DBInstances[].[DBInstanceIdentifier,DbiResourceId]'
  aws rds describe-db-clusters --query 'DBClusters[].[DBClusterIdentifier,DbClusterResourceId]'
  aws rds describe-db-proxies --query 'DBProxies[].DBProxyArn'   # the last part

Examples:
  rds-iam policy --region eu-west-1 --account-id 123456789012 --resource-id prx-0a1b2c3d4e5f67890 --user ada

Exit status:
  0   the policy is printed
  1   IAM would read a user's name as a pattern
  64  invalid arguments, such as the name of a database in place of its resource id")]
pub(crate) struct Arguments {
    /// Region of the database
    #[arg(long)]
    region: Region,

    /// Account of the database, 12 digits
    #[arg(long, value_name = "ACCOUNT")]
    account_id: AccountId,

    /// Id that AWS gave to the database, cluster or proxy: db-…, cluster-… or prx-…
    #[arg(long, value_name = "ID")]
    resource_id: ResourceId,

    /// Database user; may be given several times
    #[arg(long = "user", value_name = "USER", required = true)]
    users: Vec<DbUser>,
}

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { region, account_id, resource_id, users } = arguments;
    let arn = |user| RdsDbArn::new(region.clone(), account_id.clone(), resource_id.clone(), user);
    let arns = users.into_iter().map(arn).collect::<Result<Vec<_>, _>>()?;
    print(&rds_iam_report::escape_json(&ConnectPolicy::new(arns)?.to_string()))?;
    Ok(ExitCode::SUCCESS)
}
