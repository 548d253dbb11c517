//! PostgreSQL's deployment in `cargo xtask infra local`: the environment `auroratest`, an Aurora PostgreSQL cluster that
//! pauses without connections, a jump host, and neither RDS Proxy nor an app. Its state is in a file.

use serde_json::json;

use super::cycle::{Cycle, Part};
use crate::infra::target::AURORA;
use rds_iam_process::error::Error;
use rds_iam_process::file;

/// The settings that `rds.conf` must have.
const IN_RDS_CONF: [&str; 3] = ["ENGINE=\"postgresql\"", "RDS_RESOURCE_ID=\"cluster-", ".cluster-"];

/// The minimum number of resources with the project's tag before all are destroyed.
const FEWEST_TAGGED: usize = 25;

/// Returns the steps, after those that build programs and package.
pub(super) fn life<'a>() -> [Part<'a>; 7] {
    [
        ("cluster: AWS API", Cycle::start),
        ("cluster: plan", plan),
        ("cluster: apply", Cycle::apply),
        ("cluster: second plan", Cycle::second_plan),
        ("cluster: outputs", outputs),
        ("cluster: destroy", |cycle| cycle.destroy(FEWEST_TAGGED)),
        ("cluster: nothing left", Cycle::nothing_left),
    ]
}

fn plan(cycle: &Cycle<'_>) -> Result<(), Error> {
    let deployment = cycle.deployment()?;
    // The tfvars' settings of bootstrap, with this machine's package.
    deployment.configure_with(&json!({
        "bootstrap": {
            "package": cycle.package(),
            "architecture": "x86_64",
            "users_file": format!("environments/{}.users.toml", AURORA.environment),
        },
    }))?;
    deployment.init(None)?;
    deployment.plan("first", &[])
}

/// Checks that rds.conf is of the cluster.
fn outputs(cycle: &Cycle<'_>) -> Result<(), Error> {
    let (_, conf) = cycle.write_conf()?;
    let text = file::read(&conf)?;
    let missing: Vec<&str> = IN_RDS_CONF.into_iter().filter(|setting| !text.contains(setting)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Found {
        found: format!("{} lacks {}", conf.display(), missing.join(", ")),
        help: "compare it with outputs.json beside it, and with the outputs of stacks/service".to_owned(),
    })
}
