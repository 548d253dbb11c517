//! Benchmark of the pipeline: the checks of a pull request, against the same tools run one after another by a
//! shell script.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context as _;

use crate::report::{Report, Row};
use crate::samples::paired;

/// The tools whose time is the same on both sides, and which not every machine can have.
const ALIKE: &str = "tflint,trivy";
/// The number of measured rounds, after one that is not measured: each takes minutes.
const ROUNDS: usize = 1;

/// Measures both sides alternately; everything is built and downloaded before.
///
/// # Errors
/// Returns an error if a side fails: then there is nothing to compare.
pub(crate) fn measure(xtask: &Path, tools: &Path, report: &mut Report) -> anyhow::Result<()> {
    report.heading("Pipeline");
    let target = xtask.parent().and_then(Path::parent).context("xtask is in cargo's target folder")?;
    let log = |side: &str| target.join(format!("bench/pull-request-{side}.log"));
    let ours = || {
        let mut run = command(xtask);
        run.args(["ci", "--skip", ALIKE]);
        seconds(run, &log("ours"))
    };
    let theirs = || {
        let mut run = command(Path::new("sh"));
        run.arg("benches/pull-request.sh").env("TARGET", target).env("TOOLS", tools).env("XTASK", xtask);
        run.env("BUILD_ARGS", std::env::var("BUILD_ARGS").unwrap_or_default());
        seconds(run, &log("script"))
    };
    let pair = paired(ROUNDS, ours, theirs)?;
    report.add(Row::new("pull request, warm", pair.ours, "s").against(
        "a shell script",
        pair.theirs,
        pair.ratio,
    ));
    Ok(())
}

fn command(program: &Path) -> Command {
    #[expect(clippy::disallowed_methods, reason = "what is measured is whole programs")]
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

fn seconds(mut command: Command, log: &Path) -> anyhow::Result<f64> {
    let program = command.get_program().to_string_lossy().into_owned();
    let written = File::create(log).with_context(|| format!("making {}", log.display()))?;
    command.stdout(written.try_clone()?).stderr(written);
    let started = Instant::now();
    let status = command.status().with_context(|| format!("starting {program}"))?;
    anyhow::ensure!(status.success(), "{program} ended with {status}; {} has what it printed", log.display());
    Ok(started.elapsed().as_secs_f64())
}
