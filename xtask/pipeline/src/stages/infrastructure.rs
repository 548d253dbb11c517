//! Terraform's part: plan, apply, and what it put out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::account;
use super::deliver::committed;
use crate::bundle::{self, Manifest, Sources};
use crate::context::{Context, STACK};
use crate::environment::{Environment, EnvironmentKind};
use crate::local::Database;
use crate::need::Need;
use crate::permissions::may;
use crate::stage::{Action, Artifact, Effect, Stage};
use crate::summary;
use rds_iam_checks::infra::check;
use rds_iam_images::package::Package;
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{Cmd, RunError, Runner};
use rds_iam_process::tools::Tool;

/// A plan takes seconds here; over slow networks, minutes.
const PLAN_WITHIN: Duration = Duration::from_secs(900);

/// bootstrap's package, beside the plan that names it.
const PACKAGE: &str = "package.zip";

pub(super) const PLAN: Stage = Stage {
    name: "plan",
    purpose: "Plan the deployment, and have the rules judge the plan",
    inputs: &[Artifact::Programs, Artifact::Account, Artifact::Verdict("validate")],
    outputs: &[Artifact::Plan],
    effect: Effect::Local,
    undo: "nothing to undo: a plan changes nothing",
    minutes: 30,
    exit: 13,
    needs: terraform_needs,
    actions: |context| {
        if context.environment.is_none() {
            let what =
                "plan stacks/service against an empty AWS API on this machine, and have the rules judge it";
            return Ok(vec![Action::new(what, move |io| {
                check::plan_rules(context.workspace, io.runner).map(|_| None)
            })]);
        }
        plan(context, "plan", &[])
    },
};

pub(super) const APPLY: Stage = Stage {
    name: "apply",
    purpose: "Apply the plan that was judged, and no other",
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
    undo: "Terraform saves its state when it is stopped: plan again, which shows what is left, and apply that",
    // A first deployment with a standby database.
    minutes: 90,
    exit: 16,
    needs: |context| {
        let mut needs = committed(context, terraform_needs(context));
        // Of Terraform's own calls, those that a wrong role lacks first; and what is called besides.
        needs.extend(may(context, |environment| {
            vec![
                ("rds:CreateDBInstance", environment.database_arn()),
                ("rds:ModifyDBInstance", environment.database_arn()),
                ("ssm:PutParameter", a_setting(environment)),
            ]
        }));
        needs
    },
    actions: |context| {
        let mut actions = init(context)?;
        actions.extend(apply(context, "plan")?);
        actions.extend(read_outputs(context)?);
        let parameters = ["parameters", "--outputs", &path(context, "outputs.json"), "--write"];
        actions.push(context.program("rds-iam")?.args(parameters).into());
        Ok(actions)
    },
};

pub(super) const OUTPUTS: Stage = Stage {
    name: "outputs",
    purpose: "Read what Terraform put out for the deployment that is there",
    inputs: &[Artifact::Programs, Artifact::Account],
    outputs: &[Artifact::Outputs],
    effect: Effect::Local,
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
    undo: "nothing to undo: only a file on this machine changes",
    minutes: 5,
    exit: 17,
    needs: |_| Vec::new(),
    actions: |context| {
        let (outputs, conf) = (path(context, "outputs.json"), path(context, "rds.conf"));
        let conf = context.program("rds-iam")?.args(["conf", "--outputs", &outputs, "--write", &conf]);
        if !context.is_local() {
            return Ok(vec![conf.into()]);
        }
        // The server that plays the instance is dialled at another address, and is of another authority.
        let what =
            format!("$ {} --dial <its address on this machine> --ca-bundle <its authority>", conf.shown());
        Ok(vec![Action::new(what, move |io| {
            let database = super::outputs(context)?.database(context)?;
            io.runner.run(&conf.args(["--dial", &database.dial, "--ca-bundle", &database.ca_file]))?;
            Ok(None)
        })])
    },
};

/// One of the app's settings, which stands for all.
pub(super) fn a_setting(environment: &Environment) -> String {
    environment.parameter_arn(&format!("{}/endpoint", environment.settings_path()))
}

/// What every use of Terraform with an environment's state needs.
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

/// Plans into `<name>.tfplan` and `<name>.json`, has the rules judge it, writes `<name>.md` for people and a
/// manifest that binds it to its sources.
pub(super) fn plan<'c>(
    context: &'c Context<'_>,
    name: &'static str,
    more: &[&str],
) -> Result<Vec<Action<'c>>, Error> {
    let mut actions = init(context)?;
    let files = PlanFiles::new(context, name);
    let sources = sources(context)?;
    let stack = context.terraform()?;
    let mut args = vec!["plan".to_owned(), "-input=false".to_owned(), "-no-color".to_owned()];
    args.extend(sources.variables.iter().map(|file| format!("-var-file={}", file.display())));
    args.push(format!("-out={}", files.plan.display()));
    // Who only looks keeps nobody out, and the role of pull requests may not write.
    args.extend((!context.applies).then(|| "-lock=false".to_owned()));
    args.extend(more.iter().map(|&more| more.to_owned()));
    actions.push(locked(stack.cmd(args).within(PLAN_WITHIN)));
    let show = show(context, name)?;
    actions.push(Action::new(format!("$ {} >{}", show.shown(), files.json.display()), {
        let json = files.json.clone();
        move |io| {
            file::replace(&json, io.runner.capture(&show, PLAN_WITHIN)?)?;
            no_secrets(&json)
        }
    }));
    let rules = context.program("rds-iam")?.args(["plan", &files.json.display().to_string()]);
    let rules = rules.hint("the plan does what the design forbids: each finding above says what to do");
    let report = |format: &str, to: &Path| {
        rules.clone().args(["--root", STACK, "--format", format, "--output", &to.display().to_string()])
    };
    let sarif_file = context.sarif(name);
    let (sarif, report) = (report("sarif", &sarif_file), report("json", &files.report));
    actions.push(Action::new(format!("$ {}", rules.shown()), {
        let files = files.clone();
        move |io| {
            file::make_folder(sarif_file.parent().unwrap_or(&sarif_file))?;
            // Both for others to read; the verdict is that of the third, which people see.
            for report in [&sarif, &report] {
                match io.runner.ask(report) {
                    Err(RunError::Failed { .. }) | Ok(_) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let told: Value = file::json(&files.report, "cargo xtask plan --env E")?;
            file::replace(&files.markdown, summary::plan(context, &told)?)?;
            io.runner.run(&rules)?;
            Ok(Some(summary::counts(&told)))
        }
    }));
    actions.push(Action::new(
        "bind the plan to its commit, providers' lock, variables and package",
        move |io| {
            let manifest = Manifest::of(&files.plan, &sources, context)?;
            // The plan names the package by path and digest: both travel, for another build is another package.
            if sources.package.is_file() {
                file::copy(&sources.package, &context.bundle(PACKAGE))?;
            }
            manifest.write(&files.manifest)?;
            io.console.line(&format!("plan {}", manifest.digest()));
            Ok(None)
        },
    ));
    Ok(actions)
}

/// Applies `<name>.tfplan`, where it is the plan of what is here.
pub(super) fn apply<'c>(context: &'c Context<'_>, name: &'static str) -> Result<Vec<Action<'c>>, Error> {
    let files = PlanFiles::new(context, name);
    let apply = ["apply", "-input=false", "-no-color", &files.plan.display().to_string()];
    let apply = locked(context.terraform()?.cmd(apply));
    let spent = [files.manifest, files.plan];
    Ok(vec![
        is_of_here(context, name)?,
        apply,
        // A plan is applied once; a second time, Terraform would call it stale.
        Action::new("put the plan away: it is applied", move |_| {
            spent.iter().try_for_each(|path| file::remove(path)).map(|()| None)
        }),
    ])
}

/// Refuses `<name>.tfplan` where it is not the plan of what is here.
pub(super) fn is_of_here<'c>(context: &'c Context<'_>, name: &'static str) -> Result<Action<'c>, Error> {
    let files = PlanFiles::new(context, name);
    let sources = sources(context)?;
    Ok(Action::new(format!("check that {} is the plan of what is here", files.plan.display()), move |_| {
        let brought = context.bundle(PACKAGE);
        let found: Manifest = file::json(&files.manifest, "cargo xtask plan --env E")?;
        // That which was planned, and not one that was built since.
        if brought.is_file() {
            file::copy(&brought, &sources.package)?;
        }
        found.check(&Manifest::of(&files.plan, &sources, context)?, context.now)?;
        Ok(Some(format!("plan {}", &found.digest()[..12])))
    }))
}

/// Whether a resource of `kind` goes by `<name>.tfplan`: the plan knows better than the state, for it asked AWS.
///
/// # Errors
/// When Terraform can't read the plan.
pub(super) fn destroys(kind: &str, name: &str, context: &Context<'_>, runner: Runner) -> Result<bool, Error> {
    let show = show(context, name)?;
    let plan: Value =
        serde_json::from_str(&runner.capture(&show, PLAN_WITHIN)?).map_err(Error::answer(&show))?;
    let delete = Value::from("delete");
    Ok(plan["resource_changes"].as_array().into_iter().flatten().any(|change| {
        let actions = change["change"]["actions"].as_array();
        change["type"] == kind && actions.is_some_and(|actions| actions.contains(&delete))
    }))
}

/// The command that prints `<name>.tfplan` as JSON.
fn show(context: &Context<'_>, name: &str) -> Result<Cmd, Error> {
    let plan = PlanFiles::new(context, name).plan.display().to_string();
    Ok(context.terraform()?.cmd(["show", "-json", "-no-color", &plan]))
}

/// The files of a plan.
#[derive(Clone, Debug)]
struct PlanFiles {
    plan: PathBuf,
    json: PathBuf,
    report: PathBuf,
    markdown: PathBuf,
    manifest: PathBuf,
}

impl PlanFiles {
    fn new(context: &Context<'_>, name: &str) -> Self {
        let file = |end: &str| context.file(&format!("{name}.{end}"));
        Self {
            plan: context.bundle(&format!("{name}.tfplan")),
            json: file("json"),
            report: file("report.json"),
            markdown: file("md"),
            manifest: context.bundle(&format!("{name}.manifest.json")),
        }
    }
}

/// `terraform init` with the environment's state; on this machine, after telling Terraform what only this
/// machine knows.
fn init<'c>(context: &'c Context<'_>) -> Result<Vec<Action<'c>>, Error> {
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

/// What a deployment on this machine is told besides its tfvars, as a person writes it on AWS.
fn local_settings(context: &Context<'_>, backend: &Path, runner: Runner) -> Result<(), Error> {
    let account = account::outputs(context, runner)?;
    let mut text = String::new();
    for (name, value) in account["backend"]["value"].as_object().into_iter().flatten() {
        // JSON's texts, numbers and truth values are HCL's.
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

/// What a plan is made from.
fn sources(context: &Context<'_>) -> Result<Sources, Error> {
    let (workspace, environment) = (context.workspace, context.environment()?);
    let mut variables = vec![environment.variables(workspace)];
    variables.extend(context.is_local().then(|| local_variables(context)));
    let lock = workspace.root.join(STACK).join(".terraform.lock.hcl");
    Ok(Sources { lock, variables, package: environment.package(workspace)?.file(workspace) })
}

/// Terraform's outputs into a file, as the programs read them.
fn read_outputs<'c>(context: &'c Context<'_>) -> Result<Vec<Action<'c>>, Error> {
    let (output, to) =
        (context.terraform()?.cmd(["output", "-json", "-no-color"]), context.file("outputs.json"));
    let list = context.terraform()?.cmd(["state", "list"]);
    Ok(vec![Action::new(format!("$ {} >{}", output.shown(), to.display()), move |io| {
        let printed = io.runner.capture(&output, PLAN_WITHIN)?;
        let outputs: Value = serde_json::from_str(&printed).map_err(Error::answer(&output))?;
        if outputs.as_object().is_none_or(serde_json::Map::is_empty) {
            let environment = &context.environment()?.name;
            // Terraform forgets outputs before resources; where nothing was ever deployed there is no state to list.
            if context.destroys && io.runner.ask(&list).is_ok() {
                return Ok(Some("none any more: a destruction that stopped half-way goes on".to_owned()));
            }
            return Err(Error::Found {
                found: format!("the state of {environment} has no outputs: nothing is deployed there"),
                help: format!("deploy first: cargo xtask deploy --env {environment}"),
            });
        }
        of_environment(&outputs, context)?;
        file::replace(&to, format!("{outputs:#}\n"))?;
        Ok(None)
    })])
}

/// Outputs of another environment, account or region would lead everything after this there.
fn of_environment(outputs: &Value, context: &Context<'_>) -> Result<(), Error> {
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

/// A plan that holds a secret is not handed on.
fn no_secrets(json: &Path) -> Result<Option<String>, Error> {
    let found = bundle::sensitive(&file::json(json, "cargo xtask plan --env E")?);
    if found.is_empty() {
        return Ok(None);
    }
    file::remove(json)?;
    Err(Error::Found {
        found: format!(
            "the plan holds sensitive values, which would leave with it:\n  {}",
            found.join("\n  ")
        ),
        help:
            "let AWS keep them (managed secrets, ephemeral values): this deployment needs none in its state"
                .to_owned(),
    })
}

/// A Terraform command; where somebody else holds the state's lock, it says who.
fn locked<'c>(cmd: Cmd) -> Action<'c> {
    Action::new(format!("$ {}", cmd.shown()), move |io| io.runner.run(&cmd).map(|()| None).map_err(holder))
}

/// The holder of the lock, from the end of what Terraform printed: it has no other way to tell.
fn holder(error: RunError) -> Error {
    let RunError::Failed { tail, .. } = &error else { return error.into() };
    let field = |name: &str| {
        tail.lines().iter().find_map(|line| line.split_once(name).map(|(_, value)| value.trim().to_owned()))
    };
    let (Some(who), Some(since), Some(id)) = (field("Who:"), field("Created:"), field("ID:")) else {
        return error.into();
    };
    let what = field("Operation:").unwrap_or_default();
    Error::Found {
        found: format!("the state is locked by {who} since {since} ({what})"),
        help: format!(
            "wait for the end of that run; only where it is surely dead: terraform force-unlock {id}, in {STACK}"
        ),
    }
}

fn path(context: &Context<'_>, name: &str) -> String {
    context.file(name).display().to_string()
}

impl super::Outputs {
    /// The server that plays the instance on this machine.
    fn database(&self, context: &Context<'_>) -> Result<Database, Error> {
        Database::of(context.workspace, &self.text("database", "identifier")?)
    }
}
