//! `rds-iam whoami`: prints the caller's AWS identity and missing permissions, and refuses another account's
//! credentials.

use std::process::ExitCode;
use std::time::Duration;

use rds_iam_deploy::permissions::{Permission, simulate_permissions};
use rds_iam_deploy::whoami::{self, Caller};
use rds_iam_infra::arn::AccountId;
use rds_iam_report::{ErrorReport, escape_json};
use rds_iam_token::Region;
use tokio::time::timeout;

use crate::credentials::CredentialsOptions;
use crate::{Failure, print};

/// Print the caller's identity and missing permissions, and refuse another account's credentials
///
/// Prints one line of JSON: {"account","arn","lacks"}, and "not_asked" with the reason if IAM could not simulate the
/// permissions.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam whoami --region us-east-1 --account-id 123456789012
  rds-iam whoami --region us-east-1 --account-id 123456789012 --may ecr:GetAuthorizationToken='*'

Exit status:
  0   the credentials are of that account; lacking permissions are in the output
  1   no credentials, or another account's
  64  invalid arguments; nothing was done")]
pub(crate) struct Arguments {
    /// Region of the deployment
    #[arg(long)]
    region: Region,

    /// Required account of the credentials, 12 digits
    #[arg(long)]
    account_id: AccountId,

    /// Permission to simulate, as ACTION=RESOURCE; the resource is * or an ARN without arn:PARTITION:
    #[arg(long = "may", value_name = "PERMISSION")]
    permissions: Vec<Permission>,

    /// Tag of the resources, as NAME=VALUE
    #[arg(long = "tag", value_name = "TAG", value_parser = tag)]
    tags: Vec<(String, String)>,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

/// The timeout of all simulations: one call per permission, of some tenths of a second.
const SIMULATION_TIMEOUT: Duration = Duration::from_secs(20);

fn tag(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("a tag is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(serde::Serialize)]
struct Identity {
    #[serde(flatten)]
    caller: Caller,
    lacks: Vec<Permission>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_asked: Option<String>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let aws = arguments.credentials.connect(&arguments.region).await?;
    let caller = whoami::whoami(&aws, &arguments.account_id).await?;
    let Arguments { region, permissions, tags, .. } = arguments;
    let simulation = simulate_permissions(&aws, &caller, &region, &tags, &permissions);
    let (lacks, not_asked) = match timeout(SIMULATION_TIMEOUT, simulation).await {
        Ok(Ok(lacks)) => (lacks, None),
        Ok(Err(error)) => (Vec::new(), Some(ErrorReport(&error).to_string())),
        Err(_) => (Vec::new(), Some(format!("IAM did not answer within {} s", SIMULATION_TIMEOUT.as_secs()))),
    };
    print(&escape_json(&serde_json::to_string(&Identity { caller, lacks, not_asked })?))?;
    Ok(ExitCode::SUCCESS)
}
