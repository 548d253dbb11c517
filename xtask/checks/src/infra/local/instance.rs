//! MySQL's deployment in `cargo xtask infra local`: the environment `local`, an instance of RDS for MySQL, RDS Proxy and the
//! app, with the account's stack and its bucket for the state. Protection, a lock and a change in place are checked.

use serde_json::{Value, json};

use super::cycle::{Cycle, Part, Started};
use crate::infra::deployment::{self, STATE_KEY};
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::RunError;

/// The exit status of `rds-iam plan` if it refuses.
const REFUSED: i32 = 2;

/// The minimum number of resources with the project's tag before all are destroyed.
const FEWEST_TAGGED: usize = 30;

/// Returns the steps, after those that build programs and package.
pub(super) fn life<'a>() -> [Part<'a>; 12] {
    [
        ("AWS API", Cycle::start),
        ("account", |cycle| cycle.deployment()?.apply_account()),
        ("plan", plan),
        ("state lock", held_lock),
        ("apply", Cycle::apply),
        ("second plan", Cycle::second_plan),
        ("outputs", outputs),
        ("destroy refused", destroy_refused),
        ("change in place", change_in_place),
        ("destroy", |cycle| cycle.destroy(FEWEST_TAGGED)),
        ("account destroyed", |cycle| cycle.deployment()?.destroy_account()),
        ("nothing left", Cycle::nothing_left),
    ]
}

fn plan(cycle: &Cycle<'_>) -> Result<(), Error> {
    let deployment = cycle.deployment()?;
    let account = deployment.outputs("account")?;
    deployment.configure(&deployment::settings(&cycle.package(), false, &account))?;
    deployment.init(Some(&account["backend"]["value"]))?;
    deployment.plan("first", &[])
}

/// Checks that a lock held by another run stops Terraform, and that its holder is reported.
fn held_lock(cycle: &Cycle<'_>) -> Result<(), Error> {
    let Started { deployment, aws } = cycle.started()?;
    let account = deployment.outputs("account")?;
    let bucket = account["backend"]["value"]["bucket"].as_str().unwrap_or_default();
    let lock = format!("/{bucket}/{STATE_KEY}.tflock");
    let held = json!({
        "ID": "6b7a2f6e-3f54-4f3e-9a1c-1f7f0c1d2e3f", "Operation": "OperationTypeApply", "Info": "",
        "Who": "operator@elsewhere", "Version": "1.11.4", "Created": "2026-01-01T00:00:00Z",
        "Path": format!("{bucket}/{STATE_KEY}"),
    });
    aws.put_object(&lock, &held.to_string())?;
    let refresh = ["plan", "-input=false", "-no-color", "-var-file=environments/local.tfvars"];
    let result = cycle.runner.ask(&deployment.terraform("service", refresh));
    aws.delete_object(&lock)?;
    match result {
        Err(RunError::Failed { tail, .. }) if tail.to_string().contains("operator@elsewhere") => {
            cycle.console.line("a lock that another operator holds was respected, and its holder named");
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err(Error::Found {
            found: "Terraform planned although another operator holds the state's lock".to_owned(),
            help: "stacks/account's output backend must have use_lockfile = true".to_owned(),
        }),
    }
}

/// Writes rds.conf and the app's parameters from the outputs, with the same program as on AWS.
fn outputs(cycle: &Cycle<'_>) -> Result<(), Error> {
    let (outputs, _) = cycle.write_conf()?;
    let program = cycle.deployment()?.program("rds-iam");
    let write = program.args(["parameters", "--outputs", &outputs, "--write"]);
    cycle.runner.run(&write)?;
    // Run again: no changes are left, which the program reports.
    Ok(cycle.runner.run(&write)?)
}

/// Checks that a protected deployment can't be destroyed, and that the attempt loses nothing.
fn destroy_refused(cycle: &Cycle<'_>) -> Result<(), Error> {
    let deployment = cycle.deployment()?;
    deployment.plan_only("refused", &["-destroy"])?;
    match cycle.runner.run(&deployment.rules("refused")) {
        Err(RunError::Failed { status, .. }) if status.code() == Some(REFUSED) => {
            cycle.console.line("refused, as it has to be: nothing was destroyed");
            deployment.expect_empty_plan()
        }
        Err(error) => Err(error.into()),
        Ok(()) => Err(Error::Found {
            found: "the rules let a protected database be destroyed".to_owned(),
            help: "see crates/tfplan/src/rules/protection.rs".to_owned(),
        }),
    }
}

/// Removes the protection and changes a setting of the proxy, without replacing a resource.
fn change_in_place(cycle: &Cycle<'_>) -> Result<(), Error> {
    let deployment = cycle.deployment()?;
    let account = deployment.outputs("account")?;
    deployment.configure(&deployment::settings(&cycle.package(), true, &account))?;
    deployment.plan("change", &[])?;
    let plan: Value = parse(&file::read(&deployment.stack("service").join("change.json"))?)?;
    let changes = plan["resource_changes"].as_array().into_iter().flatten();
    let actions = |change: &Value| change["change"]["actions"].to_string();
    let (mut updated, mut others) = (0, Vec::new());
    for change in changes {
        match actions(change).as_str() {
            r#"["no-op"]"# | r#"["read"]"# => {}
            r#"["update"]"# => updated += 1,
            other => others.push(format!("{} {other}", change["address"].as_str().unwrap_or_default())),
        }
    }
    if updated == 0 || !others.is_empty() {
        return Err(Error::Found {
            found: format!("not a change in place: {updated} updated, and {others:?}"),
            help: "what `disposable` and the proxy's timeout change must not replace anything".to_owned(),
        });
    }
    deployment.apply("change")?;
    deployment.expect_empty_plan()
}

fn parse(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text)
        .map_err(|error| Error::Answer { command: "terraform show".to_owned(), what: error.to_string() })
}
