//! `rds-iam whoami`

use std::process::ExitCode;
use std::time::Duration;

use rds_iam_deploy::aws;
use rds_iam_deploy::permissions::{Permission, SimulatePermissions};
use rds_iam_deploy::whoami::{self, Caller};
use rds_iam_infra::arn::AccountId;
use rds_iam_token::Region;
use tokio::time::timeout;

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

    /// A right to ask IAM about, as ACTION=RESOURCE; the resource is * or an ARN without arn:PARTITION:
    #[arg(long = "may", value_name = "RIGHT")]
    permissions: Vec<Permission>,

    /// A tag of what the rights are about, as NAME=VALUE
    #[arg(long = "tag", value_name = "TAG", value_parser = tag)]
    tags: Vec<(String, String)>,
}

/// How long IAM may take over all of them: one question each, of some tenths of a second.
const ASKED_WITHIN: Duration = Duration::from_secs(20);

fn tag(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("a tag is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
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
    let caller = whoami::whoami(&aws, &arguments.account_id).await?;
    let Arguments { region, permissions, tags, .. } = arguments;
    let simulate = SimulatePermissions { caller: caller.clone(), region, tags, permissions };
    let (lacks, not_asked) = match timeout(ASKED_WITHIN, simulate.run(&aws)).await {
        Ok(Ok(lacks)) => (lacks, None),
        Ok(Err(error)) => (Vec::new(), Some(error.to_string())),
        Err(_) => (Vec::new(), Some(format!("IAM took longer than {} s", ASKED_WITHIN.as_secs()))),
    };
    print(&serde_json::to_string(&Told { caller, lacks, not_asked })?)?;
    Ok(ExitCode::SUCCESS)
}
