//! `rds-iam tunnel`: a local port that leads to a private database, through Session Manager.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::process::ExitCode;

use rds_iam_gateway::Address;
use rds_iam_report::log::{self, Format};
use rds_iam_token::{Endpoint, Region};
use rds_iam_tunnel::Via;

use crate::credentials::CredentialsOptions;
use crate::signals::Signals;
use crate::via::{self, FREE_PORT, LocalTunnel};
use crate::{Failure, print};

/// Forward a local port to a private database through an instance, by Session Manager
///
/// Speaks the protocol of Session Manager itself, with the document AWS-StartPortForwardingSessionToRemoteHost: neither
/// the AWS CLI nor its plugin is needed, and no inbound rule. Prints the address in one line when the port is open. The
/// service closes the connection about every hour; the session is resumed, and clients notice nothing.
///
/// The client still logs in by itself, with a token for the database's own port, and must verify the database's own
/// name. rds-iam connect --via does all of that.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
INSTANCE is one of
  i-0123456789abcdef0   an instance, or mi-… outside EC2
  tag:KEY=VALUE         an instance with this tag that is online
  asg:NAME              an instance of this Auto Scaling group that is online

Permissions: ssm:StartSession on the instance and the document, ssm:ResumeSession and
ssm:TerminateSession on the caller's own sessions; with a tag or a group also
ssm:DescribeInstanceInformation. Terraform's module jump_host has the policy.

Examples:
  rds-iam tunnel --target i-0123456789abcdef0 --to pay.c0ffee.eu-west-1.rds.amazonaws.com:5432
  rds-iam tunnel --target tag:Name=pay-jump-host --listen 15432 \\
      --to pay.c0ffee.eu-west-1.rds.amazonaws.com:5432

Environment:
  RUST_LOG  filter of the log on standard error (default: warn,rds_iam_tunnel=info)

Exit status:
  0   ended by Ctrl-C, SIGTERM, SIGHUP or SIGQUIT
  1   the tunnel could not be opened; the message names the cause
  64  invalid arguments")]
pub(crate) struct Arguments {
    /// Instance that connects to the database
    #[arg(long, value_name = "INSTANCE")]
    target: Via,

    /// Database, or anything else that the instance reaches
    #[arg(long, value_name = "HOST:PORT")]
    to: Endpoint,

    /// Local address: a port of 127.0.0.1, or a loopback address with a port; by default a free port
    #[arg(long, value_name = "ADDRESS", value_parser = listen, default_value = "0", hide_default_value = true)]
    listen: SocketAddr,

    /// Sessions over which connections are spread, from 1 to 16, so that one that stalls does not stop the others
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = via::sessions)]
    sessions: NonZero<usize>,

    /// Region of the instance; by default that in the database's name, AWS_REGION, or the profile's
    #[arg(long)]
    region: Option<Region>,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    match text.parse::<Address>() {
        Ok(Address::Tcp(address)) if address.ip().is_loopback() => Ok(address),
        _ => Err("expected a port, 127.0.0.1:PORT or [::1]:PORT"),
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    log::to_stderr(Format::Text, "warn,rds_iam_tunnel=info")?;
    let mut signals = Signals::new()?;
    let Arguments { target, to, listen, sessions, region, credentials } = arguments;
    let region = match region.or_else(|| Region::from_rds_host(&to.host().to_string())) {
        Some(region) => region,
        None => credentials.region().await?.ok_or_else(|| {
            format!(
                "no region: the name {} has none. Add --region with the region of the instance, or set AWS_REGION or \
                 the profile's region",
                to.host()
            )
        })?,
    };
    // Before a session is started for nothing.
    if listen != FREE_PORT {
        let tried = TcpListener::bind(listen);
        drop(tried.map_err(|error| {
            format!(
                "the local address {listen} could not be opened: {error}. Choose another --listen, or leave it out for \
                 a free port"
            )
        })?);
    }
    let stop = async {
        signals.next().await;
    };
    let opened = LocalTunnel::open(&target, &to, listen, sessions, &region, &credentials, stop).await?;
    let Some(tunnel) = opened else { return Ok(ExitCode::SUCCESS) };
    let opened = print(&format!("{} -> {}", tunnel.address(), tunnel.remote()));
    if opened.is_ok() {
        signals.next().await;
    }
    tunnel.close().await;
    opened.map(|()| ExitCode::SUCCESS)
}
