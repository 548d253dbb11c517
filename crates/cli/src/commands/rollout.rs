//! `rds-iam rollout`: puts an image into service, or rolls back to the previous one, and reports the state if
//! it is interrupted.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aws_config::SdkConfig;
use rds_iam_deploy::image::Digest;
use rds_iam_deploy::rollout::{Outcome, Target, current_image, roll_out};
use rds_iam_infra::outputs::App;
use rds_iam_token::Clock;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::credentials::CredentialsOptions;
use crate::{
    Failure, INTERRUPTED, OutputsFile, ROLLED_BACK, json, one_line, prepare_record, print_done, replace,
    without, write,
};

/// The timeout of reading the image parameter after an interruption.
const PARAMETER_TIMEOUT: Duration = Duration::from_secs(10);

/// Put an image into service, and watch until it is serving
///
/// Sets the image parameter to the digest, replaces the instances, and waits until the load balancer reports all of
/// them healthy in three consecutive checks. If that fails, rolls back to the previous image and exits with 3. An image
/// that is already serving is left as it is. A second run resumes an interrupted rollout.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam rollout --outputs outputs.json --digest sha256:… --record rollout.json
  rds-iam rollout --outputs outputs.json --previous --record rollout.json

Exit status:
  0   the image is serving
  1   error; the message names the cause and the fix, and a second run is safe
  3   the rollout failed, and the previous image is serving again
  64  invalid arguments, or the deployment does not have this part; nothing was done
  130 interrupted; the message states what continues")]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,

    #[command(flatten)]
    target: WhichImage,

    /// Write the record to FILE, as JSON: {"image","before","outcome","seconds"}
    #[arg(long, value_name = "FILE")]
    record: PathBuf,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct WhichImage {
    /// Digest of the image, sha256:…
    #[arg(long)]
    digest: Option<Digest>,

    /// Roll back to the previous image
    #[arg(long)]
    previous: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let outputs = arguments.outputs.read()?;
    let Some(app) = outputs.app else { return Ok(without("app")) };
    let aws = arguments.credentials.connect(&outputs.deployment.region).await?;
    prepare_record(&arguments.record, &[&arguments.outputs.path])?;
    let target = arguments.target.digest.map_or(Target::Previous, Target::Image);
    let clock = Clock::system();
    let mut stop = Stop::listen()?;
    let record = tokio::select! {
        biased;
        () = stop.requested() => return Ok(interrupted(&app, &aws).await),
        record = roll_out(&aws, &clock, &app, &target) => record?,
    };
    replace(&arguments.record, &json(&record)?)?;
    let before = record.before.as_deref().unwrap_or("none");
    if record.outcome == Outcome::Returned {
        let why = record.why.map(|why| why.to_string()).unwrap_or_default();
        let message = format!(
            "error: the rollout of {} failed: {why}. Rolled back to {before}, which is serving",
            record.image
        );
        drop(write(std::io::stderr(), &message));
        return Ok(ROLLED_BACK.into());
    }
    if record.outcome == Outcome::RolledOut {
        let done = format!("{} is serving and healthy; the previous image is {before}", record.image);
        print_done(&done, &done)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// SIGINT (Ctrl-C) and SIGTERM.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> Result<Self, Failure> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn requested(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Reports the state after an interruption. An active refresh continues without this program.
async fn interrupted(app: &App, aws: &SdkConfig) -> ExitCode {
    let parameter = &app.image_parameter;
    let state = match tokio::time::timeout(PARAMETER_TIMEOUT, current_image(aws, app)).await {
        Ok(Ok(Some(image))) => format!("{parameter} points to {image}"),
        Ok(Ok(None)) => format!("{parameter} is not set yet"),
        Ok(Err(error)) => format!("{parameter} could not be read ({})", one_line(&error)),
        Err(_) => {
            format!("{parameter} could not be read (no answer within {} s)", PARAMETER_TIMEOUT.as_secs())
        }
    };
    let message = format!(
        "error: interrupted; {state}. An active instance refresh continues. Run the same command again to resume, or \
         `rollout --previous` to roll back"
    );
    drop(write(std::io::stderr(), &message));
    INTERRUPTED.into()
}
