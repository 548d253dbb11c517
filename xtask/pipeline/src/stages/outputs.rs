//! The path and the reader of `outputs.json`, Terraform's outputs, which an earlier stage writes.

use crate::context::Context;
use rds_iam_infra::Outputs;
use rds_iam_infra::outputs::App;
use rds_iam_process::error::Error;
use rds_iam_report::ErrorReport;

/// Returns the path of the file, as an argument of a program.
pub(super) fn path(context: &Context<'_>) -> String {
    context.file("outputs.json").display().to_string()
}

/// Returns the app of the outputs.
///
/// # Errors
/// Returns an error if the deployment has none.
pub(super) fn app(outputs: &Outputs) -> Result<&App, Error> {
    outputs.app.as_ref().ok_or_else(|| Error::Found {
        found: "outputs.json is of a deployment without an app".to_owned(),
        help: "name an environment whose tfvars declare an app".to_owned(),
    })
}

/// Reads and checks the outputs.
///
/// # Errors
/// Returns an error if there are none, or they are not of terraform/stacks/service.
pub(super) fn read(context: &Context<'_>) -> Result<Outputs, Error> {
    Outputs::read(&context.file("outputs.json")).map_err(|error| Error::Found {
        found: ErrorReport(&error).to_string(),
        help: "read them again: cargo xtask outputs --env E".to_owned(),
    })
}
