//! All stages, in an order in which each comes after what it needs.

mod account;
mod checks;
mod deliver;
mod destroy;
mod images;
mod infrastructure;
mod promote;

use serde_json::Value;

use crate::context::Context;
use crate::stage::Stage;
use rds_iam_process::error::Error;
use rds_iam_process::file;

pub(crate) use promote::GATES_OF_IMAGES;

/// Every stage.
pub(crate) const ALL: [&Stage; 24] = [
    &checks::LINT,
    &checks::PROGRAMS,
    &account::ACCOUNT,
    &checks::VALIDATE,
    &checks::TFLINT,
    &checks::CHECKOV,
    &infrastructure::PLAN,
    &images::DOCKER_BUILD,
    &images::TRIVY,
    &checks::TEST,
    &infrastructure::APPLY,
    &infrastructure::OUTPUTS,
    &infrastructure::RDS_CONF,
    &deliver::PROXY_AUTH,
    &deliver::ECR_PUSH,
    &promote::PROMOTE,
    &deliver::BOOTSTRAP,
    &deliver::ROLLOUT,
    &deliver::ROLLBACK,
    &deliver::SMOKE,
    &destroy::DESTROY_PLAN,
    &destroy::SNAPSHOT,
    &destroy::DESTROY,
    &account::END,
];

/// The stage of a name.
pub(crate) fn named(name: &str) -> Option<&'static Stage> {
    ALL.into_iter().find(|stage| stage.name == name)
}

/// Terraform's outputs, as the stage before wrote them.
fn outputs(context: &Context<'_>) -> Result<Outputs, Error> {
    file::json(&context.file("outputs.json"), "cargo xtask outputs --env E").map(Outputs)
}

/// `terraform output -json`, read where it is needed. The programs check it as a whole.
#[derive(Clone, Debug)]
struct Outputs(Value);

impl Outputs {
    /// A field of an output.
    fn text(&self, output: &str, field: &str) -> Result<String, Error> {
        self.0[output]["value"][field].as_str().map(str::to_owned).ok_or_else(|| Error::Found {
            found: format!("outputs.json has no {output}.{field}"),
            help: "it must be of terraform/stacks/service: cargo xtask outputs --env E".to_owned(),
        })
    }
}
