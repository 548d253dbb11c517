//! `rds-iam plan`: reviews a Terraform plan, as text, JSON or SARIF.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use rds_iam_report::escape_json;
use rds_iam_tfplan::{self as plan, Plan};

use crate::{Failure, REFUSED, check_output, is_stdin, print, replace, stdin, write};

/// Review a Terraform plan: summarize its changes, and refuse those that break a rule
///
/// Changes nothing and reads only the plan. Reports contain no sensitive values. Exits with 2 if the plan is refused;
/// the README of crates/tfplan lists the rules.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  terraform show -json plan.tfplan | rds-iam plan -
  rds-iam plan plan.json --format sarif --output plan.sarif

Exit status:
  0   nothing is refused
  1   the plan can't be read, or the report can't be written
  2   the plan is refused
  64  invalid arguments; nothing was done")]
pub(crate) struct Arguments {
    /// Plan, from `terraform show -json PLANFILE`; - for standard input
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// Format of the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Write the report to FILE instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Folder of the root module in the repository, for the locations in SARIF
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    root: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Plain text
    Text,
    /// JSON
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    arguments.output.iter().try_for_each(|path| check_output(path, &[&arguments.path]))?;
    let plan = if is_stdin(&arguments.path) {
        Plan::parse(&stdin(plan::MAX_BYTES)?)?
    } else {
        Plan::read(&arguments.path)?
    };
    let review = plan.review();
    let report = match arguments.format {
        Format::Text => review.to_string(),
        Format::Json => escape_json(&review.to_json()),
        Format::Sarif => escape_json(&review.to_sarif(&arguments.root)),
    };
    match &arguments.output {
        None => print(&report)?,
        Some(path) => {
            replace(path, &report)?;
            let (count, path) = (review.findings.len(), path.display());
            drop(write(std::io::stderr(), &format!("{count} refused; the report is in {path}")));
        }
    }
    Ok(if review.is_refused() { REFUSED.into() } else { ExitCode::SUCCESS })
}
