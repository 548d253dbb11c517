//! The stages that destroy an environment: `destroy-plan`, `snapshot` (last snapshot of the database) and
//! `destroy`.

use std::fs;

use xshell::cmd;

use super::plan;
use super::rights::{committed, setting_arn};
use super::terraform::terraform_needs;
use crate::context::Context;
use crate::environment::EnvironmentKind;
use crate::permissions::permission_needs;
use crate::stage::{Action, Artifact, Effect, Part, Stage};
use rds_iam_infra::Permission;
use rds_iam_process::clock;
use rds_iam_process::error::Error;
use rds_iam_process::file;

/// The file that records the decision about the last snapshot.
const NOTE: &str = "snapshot.json";
/// The types of the resources with snapshots. An instance of a cluster is none of them.
const INSTANCE: &str = "aws_db_instance";
const CLUSTER: &str = "aws_rds_cluster";

pub(super) const DESTROY_PLAN: Stage = Stage {
    name: "destroy-plan",
    purpose: "Plan the destruction and list what it deletes; refuse it for protected resources",
    inputs: &[Artifact::Programs, Artifact::Account, Artifact::Outputs],
    outputs: &[Artifact::DestroyPlan],
    effect: Effect::Local,
    part: Part::Every,
    undo: "nothing to undo: a plan changes nothing",
    minutes: 30,
    exit: 32,
    needs: terraform_needs,
    actions: |context| plan::plan(context, "destroy", &["-destroy"]),
};

pub(super) const SNAPSHOT: Stage = Stage {
    name: "snapshot",
    purpose: "Take a final snapshot of the database, unless --no-snapshot is given",
    inputs: &[Artifact::Programs, Artifact::Outputs, Artifact::DestroyPlan],
    outputs: &[Artifact::Snapshot],
    effect: Effect::Destructive,
    part: Part::Every,
    undo: "aws rds delete-db-snapshot, or delete-db-cluster-snapshot. It is encrypted with the deployment's key: \
           docs/pipeline.md says how to keep it",
    // The length of the role's session, less the time before.
    minutes: 105,
    exit: 33,
    needs: |context| {
        let mut needs = committed(context, terraform_needs(context));
        if !context.no_snapshot {
            needs.extend(permission_needs(context, |environment| {
                let create = if environment.has_cluster {
                    "rds:CreateDBClusterSnapshot"
                } else {
                    "rds:CreateDBSnapshot"
                };
                vec![Permission::new(create, environment.database_arn())]
            }));
        }
        needs
    },
    actions: |context| {
        // First, because a snapshot can take long, and a plan that can no longer be applied needs none.
        let check = plan::check_sources(context, "destroy")?;
        if context.no_snapshot {
            let none = Action::new("no snapshot, as asked for", move |_| {
                taken(context, "none, as asked for").map(|()| Some("none, as asked for".to_owned()))
            });
            return Ok(vec![check, none]);
        }
        let environment = context.environment()?;
        let database = environment.deployment();
        let (option, of_its_kind, other) = if environment.has_cluster {
            ("--cluster", CLUSTER, INSTANCE)
        } else {
            ("--instance", INSTANCE, CLUSTER)
        };
        // RDS accepts letters, digits and hyphens.
        let at = clock::rfc3339(context.now).replace([':', 'T', 'Z'], "-");
        let name = format!("{database}-final-{}", at.trim_end_matches('-'));
        let (shell, rds_iam, region) = (context.workspace.shell(), context.rds_iam(), &environment.region);
        let take = cmd!(shell, "{rds_iam} snapshot {option} {database} --name {name} --region {region}");
        let take = context.in_account(take)?;
        let take = Action::new(format!("$ {}", take.shown()), move |io| {
            if plan::destroys(other, "destroy", context, io.runner)? {
                return Err(Error::Found {
                    found: format!("the plan destroys an {other}, and the environment's tfvars say {of_its_kind}"),
                    help: "let database.cluster in the tfvars say what is deployed, and plan the destruction again"
                        .to_owned(),
                });
            }
            // A destruction that stopped half-way decided about the snapshot before it began.
            if !plan::destroys(of_its_kind, "destroy", context, io.runner)? {
                let gone = "none: the database is gone already";
                return taken(context, gone).map(|()| Some(gone.to_owned()));
            }
            io.runner.run(&take)?;
            taken(context, &name)?;
            Ok(Some(name))
        });
        Ok(vec![check, take])
    },
};

pub(super) const DESTROY: Stage = Stage {
    name: "destroy",
    purpose: "Destroy the deployment by the plan that was shown, and delete what the plan leaves behind",
    inputs: &[
        Artifact::Programs,
        Artifact::Account,
        Artifact::Outputs,
        Artifact::DestroyPlan,
        Artifact::Snapshot,
    ],
    outputs: &[Artifact::Destroyed],
    effect: Effect::Destructive,
    part: Part::Every,
    undo: "none: data is in the last snapshot alone. Where it stopped half-way, run it again",
    // Lambda's network interfaces can take three quarters of an hour.
    minutes: 100,
    exit: 34,
    needs: |context| {
        let mut needs = committed(context, terraform_needs(context));
        needs.extend(permission_needs(context, |environment| {
            vec![
                environment.database_permission("Delete"),
                Permission::new("ssm:DeleteParameters", setting_arn(environment)),
            ]
        }));
        needs
    },
    actions: |context| {
        let mut actions =
            vec![Action::new("check that the last snapshot was decided for this plan", move |_| {
                decided(context).map(Some)
            })];
        actions.extend(plan::apply(context, "destroy")?);
        let environment = context.environment()?;
        let (path, region) = (environment.settings_path(), &environment.region);
        let (shell, rds_iam) = (context.workspace.shell(), context.rds_iam());
        let delete = cmd!(shell, "{rds_iam} delete-parameters --path {path} --region {region}");
        actions.push(context.in_account(delete)?.into());
        let left = context.terraform()?.cmd(["state", "list"]);
        actions.push(Action::new(format!("$ {}", left.shown()), move |io| {
            let left = io.runner.ask(&left)?;
            if !left.trim().is_empty() {
                return Err(Error::Found {
                    found: format!("the state still has\n{}", left.trim_end()),
                    help: "run it again; what stays needs a person".to_owned(),
                });
            }
            forget(context)?;
            Ok(Some("nothing is left".to_owned()))
        }));
        Ok(actions)
    },
};

/// Records the decision about the snapshot for the current plan of the destruction.
fn taken(context: &Context<'_>, snapshot: &str) -> Result<(), Error> {
    let plan = file::sha256(&context.bundle("destroy.tfplan"))?;
    let noted = serde_json::json!({ "plan": plan, "snapshot": snapshot });
    file::replace(&context.bundle(NOTE), format!("{noted:#}\n"))
}

/// Returns the decision for this plan; a decision for another plan was about other data.
fn decided(context: &Context<'_>) -> Result<String, Error> {
    let noted: serde_json::Value = file::json(&context.bundle(NOTE), "cargo xtask destroy --env E")?;
    if noted["plan"] == file::sha256(&context.bundle("destroy.tfplan"))? {
        return Ok(format!("snapshot: {}", noted["snapshot"].as_str().unwrap_or_default()));
    }
    Err(Error::Found {
        found: "no last snapshot was taken for this plan of the destruction".to_owned(),
        help:
            "run the stage snapshot before: cargo xtask destroy --env E, with --no-snapshot if none is wanted"
                .to_owned(),
    })
}

/// Removes the files of a destroyed deployment. Reports, logs and the record of promotions are kept.
fn forget(context: &Context<'_>) -> Result<(), Error> {
    for name in ["outputs.json", "rds.conf", "pushed.json", "pushed-bootstrap.json", "rollout.json"] {
        file::remove(&context.file(name))?;
    }
    if context.environment()?.kind == EnvironmentKind::Local {
        // Terraform's own files about an account that ends.
        let data = context.file("terraform");
        fs::remove_dir_all(&data).map_err(file::failed("remove", &data))?;
    }
    Ok(())
}
