//! `cargo xtask infra local`: applies the Terraform deployment to an emulated AWS API on this machine, changes it in
//! place, destroys it, and checks each step. The second engine's deployment ([`cluster`]) has a shorter life.

mod cluster;
mod leftovers;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use cluster::Cluster;
use leftovers::{expect_nothing_left, expect_tagged};

use super::aws::LocalAws;
use super::check;
use super::deployment::{self, Deployment, LOCAL, STATE_KEY};
use rds_iam_images::package::{self, Package};
use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{RunError, Runner};
use rds_iam_process::steps::{self, Outcome, Step};
use rds_iam_process::workspace::Workspace;

/// The exit status of `rds-iam plan` if it refuses.
const REFUSED: i32 = 2;

/// The minimum number of resources that the AWS API must list by their tags before all are destroyed. With
/// fewer, finding none afterwards would prove nothing.
const FEWEST_TAGGED: usize = 30;

/// The engine of a deployment that is applied here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// The environment `local`: an instance of RDS for MySQL, RDS Proxy and the app, and their change in place
    Mysql,
    /// The environment `auroratest`: an Aurora PostgreSQL cluster that pauses, and a jump host
    Postgresql,
}

/// Runs the life cycle of one engine's deployment, or of each; returns false if a step failed.
///
/// # Errors
/// Returns an error if it could not start.
pub(crate) fn run(
    engine: Option<Engine>,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<bool, Error> {
    let cycle = Cycle { workspace, console, runner, started: OnceCell::new(), package: OnceCell::new() };
    let cluster = Cluster::new(workspace, console, runner);
    let builds: [(&'static str, Action<'_>); 2] = [
        ("build", |cycle| Ok(cycle.runner.run(&check::programs(cycle.workspace))?)),
        ("package", Cycle::build_package),
    ];
    let life: [(&'static str, Action<'_>); 12] = [
        ("AWS API", Cycle::start),
        ("account", |cycle| cycle.deployment()?.apply_account()),
        ("plan", Cycle::plan),
        ("state lock", Cycle::held_lock),
        ("apply", |cycle| cycle.deployment()?.apply("first")),
        ("second plan", |cycle| cycle.deployment()?.expect_empty_plan()),
        ("outputs", Cycle::outputs),
        ("destroy refused", Cycle::destroy_refused),
        ("change in place", Cycle::change_in_place),
        ("destroy", Cycle::destroy),
        ("account destroyed", |cycle| cycle.deployment()?.destroy_account()),
        ("nothing left", Cycle::nothing_left),
    ];
    let mut steps: Vec<Step<'_>> = builds.map(|(name, action)| step(&cycle, name, action)).into();
    if engine != Some(Engine::Postgresql) {
        steps.extend(life.map(|(name, action)| step(&cycle, name, action)));
    }
    if engine != Some(Engine::Mysql) {
        steps.extend(cluster.steps());
    }
    Ok(steps::run(console, steps))
}

fn step<'s, 'a: 's>(cycle: &'s Cycle<'a>, name: &'static str, action: Action<'a>) -> Step<'s> {
    Step::new(name, move || {
        let done = action(cycle);
        // The API's end is the cause of that failure, regardless of Terraform's error.
        let ended = || cycle.started.get().and_then(|started| started.aws.exit_error());
        done.map_err(|error| ended().unwrap_or(error)).map(|()| Outcome::Passed)
    })
}

type Action<'a> = fn(&Cycle<'a>) -> Result<(), Error>;

/// The state that the steps share. Dropping it ends the AWS API.
struct Cycle<'a> {
    workspace: &'a Workspace,
    console: Console,
    runner: Runner,
    started: OnceCell<Started<'a>>,
    package: OnceCell<PathBuf>,
}

struct Started<'a> {
    deployment: Deployment<'a>,
    aws: LocalAws,
}

impl<'a> Cycle<'a> {
    fn started(&self) -> Result<&Started<'a>, Error> {
        self.started.get().ok_or_else(|| not_yet("the AWS API"))
    }

    fn deployment(&self) -> Result<&Deployment<'a>, Error> {
        Ok(&self.started()?.deployment)
    }

    fn package(&self) -> Result<&Path, Error> {
        self.package.get().map(PathBuf::as_path).ok_or_else(|| not_yet("the package"))
    }

    fn build_package(&self) -> Result<(), Error> {
        let package = package::run(&Package::of_this_machine(), self.workspace, self.runner, self.console)?;
        drop(self.package.set(package));
        Ok(())
    }

    fn start(&self) -> Result<(), Error> {
        let aws = LocalAws::start(self.workspace, LOCAL.region)?;
        let (url, credentials) = (aws.url(), aws.credentials());
        let deployment = Deployment::new("local", &LOCAL, url, credentials, self.workspace, self.runner)?;
        self.console.line(&deployment.describe());
        drop(self.started.set(Started { deployment, aws }));
        Ok(())
    }

    fn plan(&self) -> Result<(), Error> {
        let deployment = self.deployment()?;
        let account = deployment.outputs("account")?;
        deployment.configure(&deployment::settings(self.package()?, false, &account))?;
        deployment.init(Some(&account["backend"]["value"]))?;
        deployment.plan("first", &[])
    }

    /// Checks that a lock held by another run stops Terraform, and that its holder is reported.
    fn held_lock(&self) -> Result<(), Error> {
        let Started { deployment, aws } = self.started()?;
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
        let result = self.runner.ask(&deployment.terraform("service", refresh));
        aws.delete_object(&lock)?;
        match result {
            Err(RunError::Failed { tail, .. }) if tail.to_string().contains("operator@elsewhere") => {
                self.console.line("a lock that another operator holds was respected, and its holder named");
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
    fn outputs(&self) -> Result<(), Error> {
        let deployment = self.deployment()?;
        let outputs = deployment.stack("service").join("outputs.json");
        deployment.write_outputs(&outputs)?;
        let outputs = outputs.display().to_string();
        let conf = deployment.stack("service").join("rds.conf").display().to_string();
        let infra = |args: &[&str]| {
            deployment.program("rds-iam").args(args.iter().copied()).args(["--outputs", &outputs])
        };
        self.runner.run(&infra(&["conf"]).args(["--write", &conf]))?;
        self.runner.run(&infra(&["parameters"]).args(["--write"]))?;
        // Run again: no changes are left, which the program reports.
        Ok(self.runner.run(&infra(&["parameters"]).args(["--write"]))?)
    }

    /// Checks that a protected deployment can't be destroyed, and that the attempt loses nothing.
    fn destroy_refused(&self) -> Result<(), Error> {
        let deployment = self.deployment()?;
        deployment.plan_only("refused", &["-destroy"])?;
        match self.runner.run(&deployment.rules("refused")) {
            Err(RunError::Failed { status, .. }) if status.code() == Some(REFUSED) => {
                self.console.line("refused, as it has to be: nothing was destroyed");
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
    fn change_in_place(&self) -> Result<(), Error> {
        let deployment = self.deployment()?;
        let account = deployment.outputs("account")?;
        deployment.configure(&deployment::settings(self.package()?, true, &account))?;
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

    fn destroy(&self) -> Result<(), Error> {
        let Started { deployment, aws } = self.started()?;
        expect_tagged(FEWEST_TAGGED, LOCAL.project, aws, self.console)?;
        deployment.destroy()
    }

    /// Checks that no resource still has the project's tag.
    fn nothing_left(&self) -> Result<(), Error> {
        expect_nothing_left(LOCAL.project, &self.started()?.aws)
    }
}

fn not_yet(what: &str) -> Error {
    Error::Found { found: format!("{what} is not there yet"), help: "an earlier step makes it".to_owned() }
}

fn parse(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text)
        .map_err(|error| Error::Answer { command: "terraform show".to_owned(), what: error.to_string() })
}
