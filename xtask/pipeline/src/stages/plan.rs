//! Actions on a Terraform plan, for deployments and destructions: create it, refuse secrets in it, review it
//! by the rules, bind it to its sources, and apply it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::terraform::{ANSWERS_WITHIN, init, sources};
use crate::bundle::{self, Manifest};
use crate::context::Context;
use crate::environment::STACK;
use crate::plan_summary;
use crate::stage::{Action, Io};
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{Cmd, RunError, Runner, redact};
use rds_iam_report::ErrorReport;
use rds_iam_tfplan::Plan;

/// bootstrap's package, beside the plan that refers to it.
const PACKAGE: &str = "package.zip";

/// Plans into `<name>.tfplan` and `<name>.json`, checks the plan against the rules, and writes `<name>.md`
/// for the operator and a manifest that binds the plan to its sources.
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
    // A plan that is not applied takes no lock, and the role of pull requests may not write one.
    args.extend((!context.applies).then(|| "-lock=false".to_owned()));
    args.extend(more.iter().map(|&more| more.to_owned()));
    actions.push(locked(stack.cmd(args).within(ANSWERS_WITHIN)));
    let show = show(context, name)?;
    actions.push(Action::new(format!("$ {} >{}", show.shown(), files.json.display()), {
        let json = files.json.clone();
        move |io| {
            file::replace(&json, io.runner.capture(&show, ANSWERS_WITHIN)?)?;
            no_secrets(&json)
        }
    }));
    let sarif = context.sarif(name);
    actions.push(Action::new(format!("review {} by the rules of `rds-iam plan`", files.json.display()), {
        let files = files.clone();
        move |io| review(&files, &sarif, context, io)
    }));
    actions.push(Action::new(
        "bind the plan to its commit, providers' lock, variables and package",
        move |io| {
            let manifest = Manifest::new(&files.plan, &sources, context)?;
            // The plan refers to the package by path and digest: both are passed on, because another build is
            // another package.
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

/// Writes the review for programs and for the operator, and refuses the plan if a rule does.
fn review(files: &PlanFiles, sarif: &Path, context: &Context<'_>, io: &Io) -> Result<Option<String>, Error> {
    let plan = Plan::read(&files.json).map_err(|error| Error::Found {
        found: ErrorReport(&error).to_string(),
        help: "plan again: cargo xtask plan --env E".to_owned(),
    })?;
    let review = plan.review();
    file::replace(sarif, format!("{}\n", review.to_sarif(STACK)))?;
    file::replace(&files.report, format!("{}\n", review.to_json()))?;
    file::replace(&files.markdown, plan_summary::plan(context, &review)?)?;
    io.console.line(&redact(&review.to_string()));
    if review.is_refused() {
        let count = plan_summary::plural(review.findings.len(), "reason");
        return Err(Error::Found {
            found: format!("the rules refuse the plan for {count}"),
            help: "the plan does what the design forbids: each finding above says what to do".to_owned(),
        });
    }
    Ok(Some(plan_summary::counts(review.summary.counts)))
}

/// Applies `<name>.tfplan`, if it matches the current sources.
pub(super) fn apply<'c>(context: &'c Context<'_>, name: &'static str) -> Result<Vec<Action<'c>>, Error> {
    let files = PlanFiles::new(context, name);
    let apply = ["apply", "-input=false", "-no-color", &files.plan.display().to_string()];
    let apply = locked(context.terraform()?.cmd(apply));
    let spent = [files.manifest, files.plan];
    Ok(vec![
        check_sources(context, name)?,
        apply,
        // A plan is applied once; the second time, Terraform would report it as stale.
        Action::new("put the plan away: it is applied", move |_| {
            spent.iter().try_for_each(|path| file::remove(path)).map(|()| None)
        }),
    ])
}

/// Refuses `<name>.tfplan` if it does not match the current sources.
pub(super) fn check_sources<'c>(context: &'c Context<'_>, name: &'static str) -> Result<Action<'c>, Error> {
    let files = PlanFiles::new(context, name);
    let sources = sources(context)?;
    Ok(Action::new(format!("check that {} is the plan of what is here", files.plan.display()), move |_| {
        let brought = context.bundle(PACKAGE);
        let found: Manifest = file::json(&files.manifest, "cargo xtask plan --env E")?;
        // The planned package, not one that was built since.
        if brought.is_file() {
            file::copy(&brought, &sources.package)?;
        }
        found.check(&Manifest::new(&files.plan, &sources, context)?, context.now)?;
        Ok(Some(format!("plan {}", &found.digest()[..12])))
    }))
}

/// Returns whether `<name>.tfplan` destroys a resource of `kind`: the plan is more recent than the state,
/// because Terraform queried AWS for it.
///
/// # Errors
/// Returns an error if Terraform can't read the plan.
pub(super) fn destroys(kind: &str, name: &str, context: &Context<'_>, runner: Runner) -> Result<bool, Error> {
    let show = show(context, name)?;
    let plan: Value =
        serde_json::from_str(&runner.capture(&show, ANSWERS_WITHIN)?).map_err(Error::answer(&show))?;
    let delete = Value::from("delete");
    Ok(plan["resource_changes"].as_array().into_iter().flatten().any(|change| {
        let actions = change["change"]["actions"].as_array();
        change["type"] == kind && actions.is_some_and(|actions| actions.contains(&delete))
    }))
}

/// Returns the command that prints `<name>.tfplan` as JSON.
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

/// Refuses a plan with a secret, because its files are passed on.
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

/// Returns a Terraform command whose error names the holder if another run holds the state's lock.
fn locked<'c>(cmd: Cmd) -> Action<'c> {
    Action::new(format!("$ {}", cmd.shown()), move |io| io.runner.run(&cmd).map(|()| None).map_err(holder))
}

/// Returns an error with the holder of the lock, from the end of Terraform's output: it is reported nowhere
/// else.
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
