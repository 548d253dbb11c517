//! `rds-iam rollout`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aws_config::SdkConfig;
use rds_iam_deploy::aws;
use rds_iam_deploy::image::Digest;
use rds_iam_deploy::rollout::{self, Outcome, Rollout, Target};
use rds_iam_infra::outputs::App;
use rds_iam_token::Clock;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{Failure, INTERRUPTED, OutputsFile, RETURNED, forget, print, replace, write};

/// How long someone who interrupts waits for the answer to which image is named now.
const LAST_LOOK: Duration = Duration::from_secs(10);

/// Put an image into service, and watch until it serves
///
/// Points the image parameter at the digest, replaces the instances, and waits until the load balancer finds all
/// healthy in three looks. Otherwise the image before it is put back in the same way, and the exit status is 3.
/// What runs already and is healthy is left. Running it again after an interruption goes on.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,

    #[command(flatten)]
    target: WhichImage,

    /// Where to write how it ended, as JSON: {"image","before","outcome","seconds"}
    #[arg(long, value_name = "FILE")]
    record: PathBuf,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct WhichImage {
    /// The image's digest, sha256:…
    #[arg(long)]
    digest: Option<Digest>,

    /// The image that ran before: a rollback
    #[arg(long)]
    previous: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let outputs = arguments.outputs.read()?;
    // What an earlier run left is not to be taken for this one's.
    forget(&arguments.record)?;
    let aws = aws::connect(&outputs.deployment.region).await;
    let app = outputs.app;
    let target = arguments.target.digest.map_or(Target::Previous, Target::Image);
    let rollout = Rollout { app: app.clone(), target };
    let clock = Clock::system();
    // Nobody is left to tell where printing fails, and the rollout goes on.
    let mut tell = |line: &str| drop(print(line));
    let mut stop = Stop::listen()?;
    let record = tokio::select! {
        biased;
        () = stop.asked() => return Ok(interrupted(&app, &aws).await),
        record = rollout.run(&aws, &clock, &mut tell) => record?,
    };
    replace(&arguments.record, &serde_json::to_string_pretty(&record)?)?;
    let before = record.before.as_deref().unwrap_or("nothing");
    if record.outcome == Outcome::Returned {
        let why = record.why.map(|why| why.to_string()).unwrap_or_default();
        let said = format!(
            "error: the rollout of {} failed: {why}; returned to {before}, which serves",
            record.image
        );
        drop(write(std::io::stderr(), &said));
        return Ok(RETURNED.into());
    }
    if record.outcome == Outcome::RolledOut {
        print(&format!("{} runs, and is healthy; before it, {before} did", record.image))?;
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

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Says what is left. The refresh goes on without this program.
async fn interrupted(app: &App, aws: &SdkConfig) -> ExitCode {
    let parameter = &app.image_parameter;
    let named = match tokio::time::timeout(LAST_LOOK, rollout::named_image(app, aws)).await {
        Ok(Ok(Some(image))) => format!("{parameter} names {image}"),
        Ok(Ok(None)) => format!("{parameter} is not written yet"),
        Ok(Err(error)) => format!("what {parameter} names is not known ({error})"),
        Err(_) => format!("what {parameter} names is not known (no answer in {} s)", LAST_LOOK.as_secs()),
    };
    let said = format!(
        "error: interrupted; {named}; an instance refresh that has begun goes on by itself. The same command again \
         goes on watching it; `rollout --previous` goes back"
    );
    drop(write(std::io::stderr(), &said));
    INTERRUPTED.into()
}
