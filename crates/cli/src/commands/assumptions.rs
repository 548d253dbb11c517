//! `rds-iam assumptions`: checks this project's assumptions about AWS on a deployment, and that second plans
//! are empty.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rds_iam_deploy::assumptions::{Finding, Verdict, check_assumptions, second_plan};
use rds_iam_report::file;

use crate::credentials::CredentialsOptions;
use crate::{Failure, OutputsFile, json, prepare_record, print, replace};

/// The maximum size of a plan, in bytes.
const MAX_PLAN_BYTES: u64 = 64 * 1024 * 1024;

/// Check this project's assumptions about AWS on a real deployment
///
/// Prints the verdict on each assumption (holds, fails or unknown) with the evidence. Exits with 1 if one fails.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam assumptions --outputs outputs.json --json findings.json
  rds-iam assumptions --plan service=second.json

Exit status:
  0   no assumption fails
  1   one fails, or an error
  64  invalid arguments; nothing was done")]
pub(crate) struct Arguments {
    /// Outputs of the stack, from `terraform output -json`; - for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "plan")]
    outputs: Option<PathBuf>,

    /// Plan made after the deployment, which must be empty: a role and a file from `terraform show -json`
    #[arg(long, value_name = "ROLE=FILE", value_parser = plan)]
    plan: Vec<(String, PathBuf)>,

    /// Also write the findings to FILE, as JSON: [{"id","assumption","verdict","evidence"}]
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

fn plan(text: &str) -> Result<(String, PathBuf), &'static str> {
    let (role, file) = text.split_once('=').ok_or("a plan is ROLE=FILE")?;
    Ok((role.to_owned(), file.into()))
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let inputs: Vec<&Path> = arguments
        .outputs
        .as_deref()
        .into_iter()
        .chain(arguments.plan.iter().map(|(_, path)| path.as_path()))
        .collect();
    let deployment = match &arguments.outputs {
        Some(path) => {
            let outputs = OutputsFile { path: path.clone() }.read()?;
            Some((arguments.credentials.connect(&outputs.deployment.region).await?, outputs))
        }
        None => None,
    };
    arguments.json.iter().try_for_each(|path| prepare_record(path, &inputs))?;
    let mut findings: Vec<Finding> = Vec::new();
    if let Some((aws, outputs)) = &deployment {
        findings.extend(check_assumptions(aws, outputs).await);
    }
    for (role, path) in &arguments.plan {
        let invalid =
            |error: &dyn std::fmt::Display| format!("cannot read the plan {}: {error}", path.display());
        let text = file::read_text(path, MAX_PLAN_BYTES).map_err(|error| invalid(&error))?;
        findings.push(second_plan(role, &serde_json::from_str(&text).map_err(|error| invalid(&error))?));
    }
    if let Some(path) = &arguments.json {
        replace(path, &json(&findings)?)?;
    }
    for Finding { id, verdict, assumption, evidence, .. } in &findings {
        let verdict = match verdict {
            Verdict::Holds => "holds  ",
            Verdict::Fails => "FAILS  ",
            _ => "unknown",
        };
        print(&format!("{verdict} {id}: {assumption}\n        {evidence}"))?;
    }
    let fails = findings.iter().any(|finding| finding.verdict == Verdict::Fails);
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
