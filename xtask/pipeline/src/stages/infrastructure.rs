//! Terraform's stages: plan, apply, outputs and rds.conf.

use xshell::cmd;

use super::outputs;
use super::plan::{apply, plan};
use super::rights::{committed, setting_arn};
use super::terraform::{init, read_outputs, terraform_needs};
use crate::local::Database;
use crate::permissions::permission_needs;
use crate::stage::{Action, Artifact, Effect, Part, Stage};
use rds_iam_checks::infra::check;
use rds_iam_infra::Permission;

pub(super) const PLAN: Stage = Stage {
    name: "plan",
    purpose: "Plan the deployment, and check the plan against the rules",
    inputs: &[Artifact::Programs, Artifact::Account, Artifact::Verdict("validate")],
    outputs: &[Artifact::Plan],
    effect: Effect::Local,
    part: Part::Every,
    undo: "nothing to undo: a plan changes nothing",
    minutes: 30,
    exit: 13,
    needs: terraform_needs,
    actions: |context| {
        if context.environment.is_none() {
            let what = "plan stacks/service against an empty AWS API on this machine, and check the plan against the rules";
            return Ok(vec![Action::new(what, move |io| {
                check::plan_rules(context.workspace, io.runner).map(|_| None)
            })]);
        }
        plan(context, "plan", &[])
    },
};

pub(super) const APPLY: Stage = Stage {
    name: "apply",
    purpose: "Apply the checked plan, and no other",
    inputs: &[
        Artifact::Programs,
        Artifact::Account,
        Artifact::Plan,
        Artifact::Verdict("validate"),
        Artifact::Verdict("tflint"),
        Artifact::Verdict("checkov"),
        Artifact::Verdict("trivy"),
    ],
    outputs: &[Artifact::Outputs],
    effect: Effect::Remote,
    part: Part::Every,
    undo: "Terraform saves its state when it is stopped: plan again, which shows what is left, and apply that",
    // The time for a first deployment with a standby database.
    minutes: 90,
    exit: 16,
    needs: |context| {
        let mut needs = committed(context, terraform_needs(context));
        // The calls of Terraform that a wrong role most likely lacks, and the calls of other programs.
        needs.extend(permission_needs(context, |environment| {
            vec![
                environment.database_permission("Create"),
                environment.database_permission("Modify"),
                Permission::new("ssm:PutParameter", setting_arn(environment)),
            ]
        }));
        needs
    },
    actions: |context| {
        let mut actions = init(context)?;
        actions.extend(apply(context, "plan")?);
        actions.extend(read_outputs(context)?);
        let (shell, rds_iam, outputs) =
            (context.workspace.shell(), context.rds_iam(), outputs::path(context));
        // They are the app's settings; without an app there are none.
        if context.environment()?.has_app {
            let write = cmd!(shell, "{rds_iam} parameters --outputs {outputs} --write");
            actions.push(context.in_account(write)?.into());
        }
        Ok(actions)
    },
};

pub(super) const OUTPUTS: Stage = Stage {
    name: "outputs",
    purpose: "Read Terraform's outputs of the existing deployment",
    inputs: &[Artifact::Programs, Artifact::Account],
    outputs: &[Artifact::Outputs],
    effect: Effect::Local,
    part: Part::Every,
    undo: "nothing to undo: only a file on this machine changes",
    minutes: 10,
    exit: 25,
    needs: terraform_needs,
    actions: |context| {
        let mut actions = init(context)?;
        actions.extend(read_outputs(context)?);
        Ok(actions)
    },
};

pub(super) const RDS_CONF: Stage = Stage {
    name: "rds-conf",
    purpose: "Write rds.conf, which bootstrap reads",
    inputs: &[Artifact::Programs, Artifact::Outputs],
    outputs: &[Artifact::RdsConf],
    effect: Effect::Local,
    part: Part::Every,
    undo: "nothing to undo: only a file on this machine changes",
    minutes: 5,
    exit: 17,
    needs: |_| Vec::new(),
    actions: |context| {
        let (shell, rds_iam, outputs) =
            (context.workspace.shell(), context.rds_iam(), outputs::path(context));
        let file = context.file("rds.conf");
        let conf = context.in_account(cmd!(shell, "{rds_iam} conf --outputs {outputs} --write {file}"))?;
        if !context.is_local() {
            return Ok(vec![conf.into()]);
        }
        // The server that emulates the instance has another address to connect to and another certificate
        // authority.
        let what =
            format!("$ {} --dial <its address on this machine> --ca-bundle <its authority>", conf.shown());
        Ok(vec![Action::new(what, move |io| {
            let instance = outputs::read(context)?.database.identifier;
            let database = Database::find(context.workspace, &instance)?;
            io.runner.run(&conf.args(["--dial", &database.dial, "--ca-bundle", &database.ca_file]))?;
            Ok(None)
        })])
    },
};
