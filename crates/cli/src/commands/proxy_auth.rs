//! `rds-iam proxy-auth`: enables end-to-end IAM authentication of the RDS Proxy.

use std::process::ExitCode;

use rds_iam_deploy::aws;
use rds_iam_deploy::proxy_auth::{ProxyAuth, enable_iam_auth};
use rds_iam_token::Clock;

use crate::{Failure, OutputsFile, print_done, without};

/// Enable end-to-end IAM authentication of the proxy, if the outputs say so
///
/// Waits until the proxy is available with it. A second run changes nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let outputs = arguments.outputs.read()?;
    let Some(proxy) = &outputs.proxy else { return Ok(without("proxy")) };
    let aws = aws::connect(&outputs.deployment.region).await?;
    let name = &proxy.name;
    let result = enable_iam_auth(&aws, &Clock::system(), proxy).await?;
    let done = match result {
        ProxyAuth::Enabled => format!("{name}: changed to IAM_AUTH and available"),
        ProxyAuth::AlreadyEnabled => format!("{name}: already IAM_AUTH; nothing to do"),
        _ => format!("{name}: logs in with secrets, as the outputs say; nothing to do"),
    };
    print_done(&done, &done)?;
    Ok(ExitCode::SUCCESS)
}
