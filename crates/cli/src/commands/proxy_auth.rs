//! `rds-iam proxy-auth`: enables end-to-end IAM authentication of the RDS Proxy.

use std::process::ExitCode;

use rds_iam_deploy::proxy_auth::{ProxyAuth, enable_iam_auth};
use rds_iam_token::Clock;

use crate::credentials::CredentialsOptions;
use crate::{Failure, OutputsFile, print_done, without};

/// Enable end-to-end IAM authentication of the proxy, if the outputs say so
///
/// Waits until the proxy is available with it. A second run changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam proxy-auth --outputs outputs.json

Exit status:
  0   the proxy logs in as the outputs say
  1   error; the message names the cause and the fix, and a second run is safe
  64  invalid arguments, or the deployment does not have this part; nothing was done")]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let outputs = arguments.outputs.read()?;
    let Some(proxy) = &outputs.proxy else { return Ok(without("proxy")) };
    let aws = arguments.credentials.connect(&outputs.deployment.region).await?;
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
