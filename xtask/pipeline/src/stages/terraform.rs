//! Shared parts of the stages that run Terraform with an environment's state: their requirements, `init`, a
//! plan's sources, and writing `outputs.json`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::account;
use crate::bundle::Sources;
use crate::context::Context;
use crate::environment::{EnvironmentKind, STACK};
use crate::need::Need;
use crate::stage::Action;
use rds_iam_images::package::Package;
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::Runner;
use rds_iam_process::tools::Tool;

/// The time limit of a plan, which takes seconds here; over slow networks, minutes.
pub(super) const ANSWERS_WITHIN: Duration = Duration::from_secs(900);

/// Returns the needs of every use of Terraform with an environment's state.
pub(super) fn terraform_needs(context: &Context<'_>) -> Vec<Need> {
    let mut needs = vec![Need::Tool(Tool::Terraform), Need::Provider];
    if let Some(environment) =
        context.environment.as_ref().filter(|environment| environment.kind == EnvironmentKind::Aws)
    {
        needs.push(Need::File(
            environment.backend(context.workspace),
            "write it from what `terraform -chdir=terraform/stacks/account output -json backend` prints; \
             docs/pipeline.md, \"Setting up GitHub\", shows how",
        ));
        needs.push(Need::Credentials);
    }
    needs
}

/// Runs `terraform init` with the environment's state; for an environment on this machine, first writes the
/// settings that only this machine can provide.
pub(super) fn init<'c>(context: &'c Context<'_>) -> Result<Vec<Action<'c>>, Error> {
    let environment = context.environment()?;
    let local = context.is_local();
    let backend =
        if local { context.file("backend.tfbackend") } else { environment.backend(context.workspace) };
    let stack = context.terraform()?;
    let init = stack.init().args([
        "-reconfigure".to_owned(),
        format!("-backend-config={}", backend.display()),
        format!("-backend-config=key={}/mysql.tfstate", environment.name),
    ]);
    let bundle = context.bundle("");
    let mut actions = vec![Action::new("ready Terraform's folders", move |_| {
        file::make_folder(&bundle)?;
        stack.prepare().map(|()| None)
    })];
    if local {
        actions
            .push(Action::new("take the state's bucket, zone and boundary from stacks/account", move |io| {
                local_settings(context, &backend, io.runner).map(|()| None)
            }));
    }
    actions.push(init.into());
    Ok(actions)
}

/// Writes the settings, besides its tfvars, of a deployment on this machine; on AWS, the operator writes
/// them.
fn local_settings(context: &Context<'_>, backend: &Path, runner: Runner) -> Result<(), Error> {
    let account = account::outputs(context, runner)?;
    let mut text = String::new();
    for (name, value) in account["backend"]["value"].as_object().into_iter().flatten() {
        // Strings, numbers and booleans have the same syntax in JSON and HCL.
        text.push_str(&format!("{name} = {value}\n"));
    }
    file::replace(backend, text)?;
    let variables = json!({
        "disposable": true,
        "app": {
            "domain_name": format!("orders-{}.example.test", context.environment()?.name),
            "zone_id": account["zone"]["value"]["id"],
            "port": context.environment()?.port(),
            "management_port": context.environment()?.management_port(),
        },
        "bootstrap": {
            "package": Package::of_this_machine().file(context.workspace),
            "architecture": context.environment()?.architecture,
        },
        "permissions_boundary_arn": account["github"]["value"]["permissions_boundary_arn"],
    });
    file::replace(&local_variables(context), format!("{variables:#}\n"))
}

fn local_variables(context: &Context<'_>) -> PathBuf {
    context.file("local.tfvars.json")
}

/// Returns the sources of a plan.
pub(super) fn sources(context: &Context<'_>) -> Result<Sources, Error> {
    let (workspace, environment) = (context.workspace, context.environment()?);
    let mut variables = vec![environment.variables(workspace)];
    variables.extend(context.is_local().then(|| local_variables(context)));
    let lock = workspace.root.join(STACK).join(".terraform.lock.hcl");
    Ok(Sources { lock, variables, package: environment.package(workspace)?.file(workspace) })
}

/// Writes Terraform's outputs to a file, in the format that the programs read.
pub(super) fn read_outputs<'c>(context: &'c Context<'_>) -> Result<Vec<Action<'c>>, Error> {
    let (output, to) =
        (context.terraform()?.cmd(["output", "-json", "-no-color"]), context.file("outputs.json"));
    let list = context.terraform()?.cmd(["state", "list"]);
    Ok(vec![Action::new(format!("$ {} >{}", output.shown(), to.display()), move |io| {
        let printed = io.runner.capture(&output, ANSWERS_WITHIN)?;
        let outputs: Value = serde_json::from_str(&printed).map_err(Error::answer(&output))?;
        if outputs.as_object().is_none_or(serde_json::Map::is_empty) {
            let environment = &context.environment()?.name;
            // Terraform removes outputs before resources; if nothing was ever deployed there is no state to list.
            if context.destroys && io.runner.ask(&list).is_ok() {
                return Ok(Some("none any more: a destruction that stopped half-way continues".to_owned()));
            }
            return Err(Error::Found {
                found: format!("the state of {environment} has no outputs: nothing is deployed there"),
                help: format!("deploy first: cargo xtask deploy --env {environment}"),
            });
        }
        check_environment(&outputs, context)?;
        file::replace(&to, format!("{outputs:#}\n"))?;
        Ok(None)
    })])
}

/// Refuses outputs of another environment, account or region, which would direct all later stages there.
fn check_environment(outputs: &Value, context: &Context<'_>) -> Result<(), Error> {
    let environment = context.environment()?;
    let found = &outputs["deployment"]["value"];
    for (field, wanted) in [
        ("environment", &environment.name),
        ("account_id", &environment.account_id),
        ("region", &environment.region),
    ] {
        if found[field] != wanted.as_str() {
            return Err(Error::Found {
                found: format!(
                    "the state is of {field} {}, and {} says {wanted}",
                    found[field], environment.name
                ),
                help: "compare the environment's tfvars with its s3.tfbackend: one of them is another's"
                    .to_owned(),
            });
        }
    }
    Ok(())
}
