//! Benchmark of `rds-iam token` against the AWS CLI's `aws rds generate-db-auth-token`, each from its start to its end.

use std::env::{split_paths, var_os};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::program;
use crate::report::{Report, Row};
use crate::samples::median;

/// The number of rounds, after one that is not counted.
const ROUNDS: usize = 11;

/// The goal for the start of `rds-iam token`, in milliseconds.
const GOAL: f64 = 15.0;

const HOST: &str = "orders.c0ffee123456.eu-west-1.rds.amazonaws.com";

pub(super) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let ours = program::path("rds-iam")?;
    let theirs = aws();
    let arguments = ["--hostname", HOST, "--port", "3306", "--username", "app", "--region", "eu-west-1"];
    let of_aws = [&["rds", "generate-db-auth-token"][..], &arguments[..]].concat();
    let of_ours = [&["token"][..], &arguments[..]].concat();
    let (mut samples, mut ratios, mut alternative) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let own = run(&ours, &of_ours).await?;
        let aws = match &theirs {
            Some(program) => Some(run(program, &of_aws).await?),
            None => None,
        };
        if round > 0 {
            samples.push(own);
            if let Some(aws) = aws {
                ratios.push(own / aws);
                alternative.push(aws);
            }
        }
    }
    let own = median(&mut samples);
    report.add(Row::new("rds-iam token, start to end", own, "ms").goal(GOAL));
    let what = "rds-iam token, against the AWS CLI";
    if alternative.is_empty() {
        report.not_available(what, "no aws on the PATH: `pip install awscli`");
    } else {
        let row = Row::new(what, own, "ms");
        report.add(row.against("AWS CLI", median(&mut alternative), median(&mut ratios)));
    }
    Ok(())
}

/// Runs a command that prints a token, and returns the milliseconds that it took.
async fn run(program: &Path, arguments: &[&str]) -> anyhow::Result<f64> {
    let variable = |name: &str| var_os(name).unwrap_or_default().to_string_lossy().into_owned();
    let environment = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE".into()),
        ("AWS_SECRET_ACCESS_KEY", "not-a-real-secret".into()),
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ("HOME", variable("HOME")),
        ("PATH", variable("PATH")),
    ];
    let started = Instant::now();
    let child = program::spawn(program, arguments, &environment)?;
    let ended = child.wait_with_output().await?;
    let took = started.elapsed();
    let printed = String::from_utf8(ended.stdout).context("it printed no text")?;
    // The token itself is not repeated.
    ensure!(
        ended.status.success() && printed.starts_with(HOST),
        "{} ended with {}, and printed no token",
        program.display(),
        ended.status
    );
    Ok(took.as_secs_f64() * 1e3)
}

/// Finds the AWS CLI. A shim of pyenv starts a shell first, which is not the program to compare with: the program itself
/// is beside it, in the folder of a version.
fn aws() -> Option<PathBuf> {
    let paths = var_os("PATH")?;
    let found = split_paths(&paths).map(|folder| folder.join("aws")).find(|path| path.is_file())?;
    let shims = found.parent().filter(|folder| folder.ends_with("shims"));
    let Some(versions) = shims.and_then(Path::parent).map(|pyenv| pyenv.join("versions")) else {
        return Some(found);
    };
    let mut programs = std::fs::read_dir(versions).ok()?.filter_map(|version| Some(version.ok()?.path()));
    programs.find_map(|version| Some(version.join("bin/aws")).filter(|program| program.is_file()))
}
