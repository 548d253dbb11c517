//! `rds-iam conf`: prints or writes `rds.conf`, made from Terraform's outputs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rds_iam_infra::rds_conf::CaBundle;
use rds_iam_token::Endpoint;

use crate::{Failure, OutputsFile, check_output, print};

/// Print rds.conf, which bootstrap reads
///
/// The file has the endpoint of the database, not of the proxy, and contains no secret.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  terraform output -json | rds-iam conf --outputs - --write rds.conf
  rds-iam conf --outputs outputs.json --dial 127.0.0.1:13306

Exit status:
  0   rds.conf is printed or written
  1   error; the message names the cause and the fix
  64  invalid arguments; nothing was done")]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,

    /// Address to connect to instead of the endpoint (RDS_DIAL), such as the local end of a tunnel
    #[arg(long, value_name = "HOST:PORT")]
    dial: Option<Endpoint>,

    /// Trust roots that replace the bundled ones (RDS_CA_BUNDLE)
    #[arg(long, value_name = "FILE")]
    ca_bundle: Option<CaBundle>,

    /// Write to FILE, atomically, instead of standard output
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let ca_bundle = arguments.ca_bundle.as_ref().map(|bundle| Path::new(bundle.as_str()));
    let inputs: Vec<&Path> = ca_bundle.into_iter().chain([arguments.outputs.path.as_path()]).collect();
    arguments.write.iter().try_for_each(|path| check_output(path, &inputs))?;
    let mut conf = arguments.outputs.read()?.rds_conf();
    conf.dial.clone_from(&arguments.dial);
    conf.ca_bundle.clone_from(&arguments.ca_bundle);
    match &arguments.write {
        None => print(&conf.to_string())?,
        Some(path) => conf.write(path)?,
    }
    Ok(ExitCode::SUCCESS)
}
