//! `rds-iam proxy-auth`

use std::process::ExitCode;

use rds_iam_deploy::aws;
use rds_iam_deploy::proxy_auth::{Switch, SwitchProxy};
use rds_iam_token::Clock;

use crate::{Failure, OutputsFile, print};

/// Switch the proxy to end-to-end IAM, where the outputs say so
///
/// Waits until the proxy is available and says so itself. The second time there is nothing to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let outputs = arguments.outputs.read()?;
    let aws = aws::connect(&outputs.deployment.region).await;
    let proxy = outputs.proxy;
    let name = proxy.name.clone();
    let switch = SwitchProxy { proxy }.run(&aws, &Clock::system()).await?;
    print(&match switch {
        Switch::Switched => format!("{name}: switched to IAM_AUTH, and available"),
        Switch::Already => format!("{name}: IAM_AUTH already; nothing to do"),
        _ => format!("{name}: logs in with secrets, as the outputs say; nothing to do"),
    })?;
    Ok(ExitCode::SUCCESS)
}
