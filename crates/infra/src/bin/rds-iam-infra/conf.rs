//! `rds-iam-infra conf`

use std::path::PathBuf;
use std::process::ExitCode;

use crate::{Failure, OutputsFile, print};

/// Make rds.conf, which bootstrap reads
///
/// It names the database and not the proxy, and holds no secret.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,

    /// Write it there, in one step, instead of to standard output
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let conf = arguments.outputs.read()?.rds_conf();
    match &arguments.write {
        None => print(&conf.to_string())?,
        Some(path) => conf.write(path)?,
    }
    Ok(ExitCode::SUCCESS)
}
