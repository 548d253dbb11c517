//! `rds-iam parameters`: compares the app's parameters in Parameter Store with Terraform's outputs, and writes
//! the differences.

use std::process::ExitCode;

use rds_iam_deploy::ssm::{self, Difference, State};

use crate::credentials::CredentialsOptions;
use crate::{Failure, OutputsFile, print, without};

/// Compare the app's parameters in Parameter Store with the outputs; with --write, write them
///
/// The parameters have the endpoint of the proxy, or of the database if there is no proxy. Only differences are
/// written, so a second run writes nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam parameters --outputs outputs.json
  rds-iam parameters --outputs outputs.json --write

Exit status:
  0   the differences are printed; with --write: written
  1   error; the message names the cause and the fix, and a second run is safe
  64  invalid arguments, or the deployment does not have this part; nothing was done")]
pub(crate) struct Arguments {
    #[command(flatten)]
    outputs: OutputsFile,

    /// Write the differences
    #[arg(long)]
    write: bool,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let outputs = arguments.outputs.read()?;
    if outputs.app.is_none() {
        return Ok(without("app"));
    }
    let aws = arguments.credentials.connect(&outputs.deployment.region).await?;
    let expected = outputs.parameters();
    let names: Vec<_> = expected.iter().map(|parameter| parameter.path.clone()).collect();
    let found = ssm::get_parameters(&aws, &names).await?;
    let differences = ssm::compare(expected, &found);
    refuse_other_types(&differences)?;
    let (mut created, mut changed, mut unchanged) = (0, 0, 0);
    // A closed standard output does not leave some parameters unwritten.
    let mut printed = Ok(());
    for Difference { parameter, state, .. } in differences {
        let is_same = state == State::Same;
        let (path, value) = (parameter.path.clone(), parameter.value.clone());
        if arguments.write && !is_same {
            ssm::put_parameter(&aws, &parameter).await?;
        }
        // Each line is printed after its write: if a later one fails, the output shows the progress.
        let line = match state {
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
        };
        printed = printed.and_then(|()| print(&line));
    }
    let doing = if arguments.write { "" } else { "to be " };
    let counts = format!("{created} {doing}created, {changed} {doing}changed, {unchanged} unchanged");
    printed.and_then(|()| print(&counts)).map_err(|error| format!("{error}. {counts}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns an error, before anything is written, if a parameter has a type that AWS can't change.
fn refuse_other_types(differences: &[Difference]) -> Result<(), Failure> {
    for Difference { parameter, state, .. } in differences {
        if let State::OtherType { found } = state {
            let path = &parameter.path;
            return Err(format!(
                "{path} already exists as {found}; SSM can't change a parameter's type. Delete it (`aws ssm \
                 delete-parameter --name {path}`) and retry"
            )
            .into());
        }
    }
    Ok(())
}
