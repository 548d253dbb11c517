//! `rds-iam ecr-login`: logs Docker in to registries of ECR.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::process::{ExitCode, ExitStatus, Stdio};

use rds_iam_deploy::image::{RegistryLogin, RegistryName, registry_login};
use rds_iam_token::Region;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::connect::{Ends, exit_code};
use crate::credentials::CredentialsOptions;
use crate::{Failure, Usage};

/// Log Docker in to private registries of ECR
///
/// Gets a login from ECR, which is valid for 12 hours, and gives it to `docker login` on standard input. The registry
/// may be of another account, if its policy permits the caller to pull or push.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam ecr-login --region us-east-1
  rds-iam ecr-login 123456789012.dkr.ecr.us-east-1.amazonaws.com
  rds-iam ecr-login --program podman 123456789012.dkr.ecr.us-east-1.amazonaws.com

Without a login, which Docker keeps on disk: a link to this program with the name
docker-credential-rds-iam on PATH is a credential helper, in ~/.docker/config.json
  {\"credHelpers\": {\"123456789012.dkr.ecr.us-east-1.amazonaws.com\": \"rds-iam\"}}

Exit status:
  that of docker, or 128 plus the number of the signal that ended it
  0   logged in to each registry
  1   ECR gave no login, docker can't be run, or docker failed
  64  invalid arguments; nothing was done")]
pub(crate) struct Arguments {
    /// Registry, such as 123456789012.dkr.ecr.us-east-1.amazonaws.com; by default, the caller's own
    #[arg(value_name = "REGISTRY")]
    registries: Vec<RegistryName>,

    /// Region of the caller's own registry; by default that of AWS_REGION or the profile
    #[arg(long)]
    region: Option<Region>,

    /// Program to log in, with the options of docker, such as podman or nerdctl
    #[arg(long, value_name = "PROGRAM", default_value = "docker")]
    program: OsString,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { registries, region, program, credentials } = arguments;
    if registries.is_empty() {
        let region = match region {
            Some(region) => region,
            None => credentials.region().await?.ok_or(
                "no region: name a registry, add --region, or set AWS_REGION or the profile's region",
            )?,
        };
        let login = registry_login(&credentials.connect(&region).await?, None).await?;
        return Ok(exit_code(log_in(&program, &login, &mut Ends::new()?).await?));
    }
    let is_elsewhere = |name: &&RegistryName| region.as_ref().is_some_and(|region| name.region() != region);
    if let (Some(region), Some(name)) = (&region, registries.iter().find(is_elsewhere)) {
        let message = format!("--region is {region}, but {name} is in {}: leave --region out", name.region());
        return Err(Usage::failure(message));
    }
    let mut ends = Ends::new()?;
    for registry in &registries {
        let login = async {
            let aws = credentials.connect(registry.region()).await?;
            Ok::<_, Failure>(registry_login(&aws, Some(registry)).await?)
        };
        let login = tokio::select! {
            login = login => login?,
            signal = ends.next() => {
                return Ok(u8::try_from(128 + signal.as_raw()).map_or(ExitCode::FAILURE, Into::into));
            }
        };
        let status = log_in(&program, &login, &mut ends).await?;
        if !status.success() {
            return Ok(exit_code(status));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `docker login`. Other users can read arguments and the same user can read the environment, so the password is
/// in neither. A signal that ends this program ends that one, too.
async fn log_in(program: &OsStr, login: &RegistryLogin, ends: &mut Ends) -> Result<ExitStatus, Failure> {
    #[expect(clippy::disallowed_methods, reason = "the program is the caller's, and gets the terminal")]
    let mut command = Command::new(program);
    command.args(["login", "--username", &login.user, "--password-stdin", &login.endpoint]);
    let started = command.stdin(Stdio::piped()).spawn();
    let mut child = started.map_err(|error| not_started(program, &error))?;
    let written = match child.stdin.take() {
        // The end of the input is the end of the password.
        Some(mut stdin) => stdin.write_all(login.password.expose().as_bytes()).await,
        None => unreachable!("its standard input is a pipe"),
    };
    let status = ends.wait(&mut child).await?;
    // A program that fails before it reads the password prints the reason itself.
    if status.success() {
        written.map_err(|error| format!("{} did not read the password: {error}", program.display()))?;
    }
    Ok(status)
}

fn not_started(program: &OsStr, error: &std::io::Error) -> String {
    let program = program.display();
    match error.kind() {
        ErrorKind::NotFound => format!(
            "{program} is not on PATH, so that nothing was logged in: install it, or name another program with \
             --program, such as docker or podman"
        ),
        _ => format!("cannot run {program}: {error}"),
    }
}
