//! `rds-iam parameters`

use std::process::ExitCode;

use rds_iam_deploy::aws;
use rds_iam_deploy::ssm::{self, Difference, State};

use crate::{Failure, OutputsFile, print};

/// Put the app's settings into Parameter Store
///
/// They name the proxy. Without --write it tells what would change. Only what differs is written, so a second
/// run writes nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,

    /// Write what differs
    #[arg(long)]
    write: bool,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let outputs = arguments.outputs.read()?;
    let aws = aws::connect(&outputs.deployment.region).await;
    let due = outputs.parameters();
    let names: Vec<_> = due.iter().map(|parameter| parameter.path.clone()).collect();
    let found = ssm::get_parameters(&aws, &names).await?;
    let differences = ssm::compare(due, &found);
    refuse_other_types(&differences)?;
    let (mut created, mut changed, mut unchanged) = (0, 0, 0);
    for Difference { parameter, state, .. } in differences {
        let is_same = state == State::Same;
        let (path, value) = (parameter.path.clone(), parameter.value.clone());
        if arguments.write && !is_same {
            ssm::put_parameter(&aws, &parameter).await?;
        }
        // Each is told when it is done: should a later one fail, it is known how far this came.
        print(&match state {
            State::Same => {
                unchanged += 1;
                format!("  {path}: {value:?}")
            }
            State::Differs { found } => {
                changed += 1;
                format!("~ {path}: {found:?} -> {value:?}")
            }
            _ => {
                created += 1;
                format!("+ {path}: {value:?}")
            }
        })?;
    }
    let doing = if arguments.write { "" } else { "to be " };
    print(&format!("{created} {doing}created, {changed} {doing}changed, {unchanged} unchanged"))?;
    Ok(ExitCode::SUCCESS)
}

/// AWS does not change the type of a parameter: better to know before the first one is written.
fn refuse_other_types(differences: &[Difference]) -> Result<(), Failure> {
    for Difference { parameter, state, .. } in differences {
        if let State::OtherType { found } = state {
            let path = &parameter.path;
            let mend = format!("delete it (`aws ssm delete-parameter --name {path}`), and run this again");
            return Err(
                format!("{path} is there as {found}, which AWS does not turn into String: {mend}").into()
            );
        }
    }
    Ok(())
}
