//! `Deployment`: runs Terraform (init, plan, rules, apply, destroy, outputs) in a copy of `stacks/account`
//! and `stacks/service` against an AWS API on this machine. Also `cargo xtask infra apply`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::aws::environment;
use super::target::{Engine, LOCAL, LOCAL_POSTGRES, Target};
use super::terraform::Terraform;
use crate::tree::{self, Tree};
use rds_iam_images::package::Package;
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::workspace::Workspace;

/// The domain of stacks/account's `local.tfvars`.
const DOMAIN: &str = "orders.example.test";
/// The key of stacks/service's state in the bucket.
pub(crate) const STATE_KEY: &str = "local/mysql.tfstate";
/// The time limit of a plan. It takes five seconds here; over slow networks, minutes.
const PLAN_WITHIN: Duration = Duration::from_secs(600);
/// Terraform's flag that makes a plan with changes a failure.
const IS_EMPTY: &str = "-detailed-exitcode";
/// Without a limit, an HTTP 500 error is retried for nine minutes.
const PROVIDER_OVERRIDE: &str = "provider \"aws\" {\n  max_retries = 2\n}\n";
/// The backend for plans alone, which need no bucket.
const LOCAL_STATE: &str = "terraform {\n  backend \"local\" {}\n}\n";

/// The file with the settings of a run, besides the tfvars.
const SETTINGS: &str = "run.auto.tfvars.json";

/// A working copy of `terraform/` and its AWS API.
pub(crate) struct Deployment<'a> {
    workspace: &'a Workspace,
    runner: Runner,
    terraform: Terraform,
    tree: Tree,
    aws: Vec<(&'static str, String)>,
    target: &'static Target,
}

/// The settings of a run, besides the tfvars of an environment with RDS Proxy and the app.
pub(crate) struct Settings<'a> {
    pub(crate) package: &'a Path,
    pub(crate) disposable: bool,
    pub(crate) zone_id: &'a str,
    pub(crate) boundary: Option<&'a str>,
}

impl<'a> Deployment<'a> {
    /// Creates a fresh copy under `target/infra/<name>`, to deploy `target` to the AWS API at `url`.
    ///
    /// # Errors
    /// Returns an error if Terraform is missing or the copy cannot be made.
    pub(crate) fn new(
        name: &str,
        target: &'static Target,
        url: &str,
        credentials: &str,
        workspace: &'a Workspace,
        runner: Runner,
    ) -> Result<Self, Error> {
        let terraform = Terraform::find(workspace, runner)?;
        let tree = tree::copy(name, workspace)?;
        let aws = environment(url, credentials, target.region);
        let deployment = Self { workspace, runner, terraform, tree, aws, target };
        for stack in ["account", "service"] {
            file::replace(&deployment.stack(stack).join("local_override.tf"), PROVIDER_OVERRIDE)?;
        }
        Ok(deployment)
    }

    /// Returns a description of the folder and the environment of its commands.
    pub(crate) fn describe(&self) -> String {
        let settings: Vec<String> = self.aws.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!(
            "In {}, with {}.\nmoto, a stand-in for the AWS API, answers there; no account of AWS and none of its credentials are used.",
            self.tree.path.display(),
            settings.join(" ")
        )
    }

    /// Returns the folder of a stack in the copy.
    pub(crate) fn stack(&self, name: &str) -> PathBuf {
        self.tree.path.join("stacks").join(name)
    }

    /// Returns a Terraform command in a stack.
    pub(crate) fn terraform<S: Into<String>>(&self, stack: &str, args: impl IntoIterator<Item = S>) -> Cmd {
        self.terraform.cmd(&self.stack(stack), args).settings(&self.aws)
    }

    /// Returns one of the workspace's programs, with the same AWS API.
    pub(crate) fn program(&self, name: &str) -> Cmd {
        let program = self.workspace.target.join("debug").join(name).display().to_string();
        Cmd::new(program, &self.workspace.root, "cargo build --workspace --all-targets")
            .without(&["AWS_"])
            .settings(&self.aws)
    }

    /// Applies stacks/account: the state's bucket, GitHub's access, a hosted zone.
    ///
    /// # Errors
    /// Returns an error if Terraform fails.
    pub(crate) fn apply_account(&self) -> Result<(), Error> {
        self.runner.run(&self.terraform.init(&self.stack("account")).settings(&self.aws))?;
        let args = ["apply", "-input=false", "-no-color", "-auto-approve", "-var-file=local.tfvars"];
        self.runner.run(&self.terraform("account", args))?;
        Ok(())
    }

    /// Destroys stacks/account.
    ///
    /// # Errors
    /// Returns an error if Terraform fails.
    pub(crate) fn destroy_account(&self) -> Result<(), Error> {
        let args = ["destroy", "-input=false", "-no-color", "-auto-approve", "-var-file=local.tfvars"];
        Ok(self.runner.run(&self.terraform("account", args))?)
    }

    /// Returns the outputs of a stack.
    ///
    /// # Errors
    /// Returns an error if Terraform fails or prints no JSON.
    pub(crate) fn outputs(&self, stack: &str) -> Result<Value, Error> {
        let cmd = self.terraform(stack, ["output", "-json", "-no-color"]);
        let printed = self.runner.ask(&cmd)?;
        serde_json::from_str(&printed).map_err(Error::answer(&cmd))
    }

    /// Writes the settings of stacks/service with RDS Proxy and the app, besides its tfvars.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(crate) fn configure(&self, settings: &Settings<'_>) -> Result<(), Error> {
        let Settings { package, disposable, zone_id, boundary } = settings;
        let variables = json!({
            "disposable": disposable,
            "app": { "domain_name": DOMAIN, "zone_id": zone_id },
            // A visible change in place, besides protection.
            "proxy": { "idle_client_timeout_seconds": if *disposable { 900 } else { 1800 } },
            "bootstrap": { "package": package, "architecture": "x86_64" },
            "permissions_boundary_arn": boundary,
        });
        self.configure_with(&variables)
    }

    /// Writes the settings of stacks/service, besides its tfvars: these have precedence.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(crate) fn configure_with(&self, variables: &Value) -> Result<(), Error> {
        file::replace(&self.stack("service").join(SETTINGS), format!("{variables:#}\n"))
    }

    /// Runs `terraform init` of stacks/service with its state in the bucket of stacks/account, or without a
    /// backend.
    ///
    /// # Errors
    /// Returns an error if Terraform fails: no provider, or no bucket.
    pub(crate) fn init(&self, backend: Option<&Value>) -> Result<(), Error> {
        let mut init = self.terraform.init(&self.stack("service"));
        match backend {
            None => file::replace(&self.stack("service").join("state_override.tf"), LOCAL_STATE)?,
            Some(backend) => {
                let mut file = format!("key = \"{STATE_KEY}\"\n");
                for (name, value) in backend.as_object().into_iter().flatten() {
                    // Strings, numbers and booleans have the same syntax in JSON and HCL.
                    file.push_str(&format!("{name} = {value}\n"));
                }
                file::replace(&self.stack("service").join("local.s3.tfbackend"), &file)?;
                init = init.args(["-backend-config=local.s3.tfbackend"]);
            }
        }
        Ok(self.runner.run(&init.settings(&self.aws))?)
    }

    /// Plans stacks/service into `<name>.tfplan`, and checks the plan against the rules.
    ///
    /// # Errors
    /// Returns an error if Terraform fails, or the rules refuse the plan.
    pub(crate) fn plan(&self, name: &str, more: &[&str]) -> Result<(), Error> {
        self.plan_only(name, more)?;
        Ok(self.runner.run(&self.rules(name))?)
    }

    /// Plans stacks/service into `<name>.tfplan` and `<name>.json`.
    ///
    /// # Errors
    /// Returns an error if Terraform fails.
    pub(crate) fn plan_only(&self, name: &str, more: &[&str]) -> Result<(), Error> {
        let out = format!("-out={name}.tfplan");
        let tfvars = format!("-var-file=environments/{}.tfvars", self.target.environment);
        let settings = format!("-var-file={SETTINGS}");
        let args = ["plan", "-input=false", "-no-color", &tfvars, &settings, &out];
        let plan = self.terraform("service", args).args(more.iter().copied());
        // This flag makes a plan with changes a failure.
        let plan = if more.contains(&IS_EMPTY) {
            plan.hint("this plan must be empty: something drifts")
        } else {
            plan
        };
        self.runner.capture(&plan, PLAN_WITHIN)?;
        let show = self.terraform("service", ["show", "-json", "-no-color", &format!("{name}.tfplan")]);
        let shown = self.runner.ask(&show)?;
        file::replace(&self.stack("service").join(format!("{name}.json")), &shown)
    }

    /// Returns the command that checks `<name>.json` against the rules.
    pub(crate) fn rules(&self, name: &str) -> Cmd {
        let file = self.stack("service").join(format!("{name}.json")).display().to_string();
        self.program("rds-iam")
            .args(["plan".to_owned(), file])
            .hint("the plan does what the design forbids: each finding above says what to do")
    }

    /// Applies the checked plan.
    ///
    /// # Errors
    /// Returns an error if Terraform fails.
    pub(crate) fn apply(&self, name: &str) -> Result<(), Error> {
        let args = ["apply", "-input=false", "-no-color", &format!("{name}.tfplan")];
        Ok(self.runner.run(&self.terraform("service", args))?)
    }

    /// Plans again, expects an empty plan, and checks the current state against the rules, including the
    /// values that were known only after the apply.
    ///
    /// # Errors
    /// Returns an error if the plan has changes (the error shows its last lines), or the rules refuse the
    /// state.
    pub(crate) fn expect_empty_plan(&self) -> Result<(), Error> {
        self.plan("again", &[IS_EMPTY])
    }

    /// Writes Terraform's outputs to a file, in the format that the programs read.
    ///
    /// # Errors
    /// Returns an error if there are none, or the file cannot be written.
    pub(crate) fn write_outputs(&self, file: &Path) -> Result<(), Error> {
        let outputs = self.outputs("service")?;
        file::replace(file, format!("{outputs:#}\n"))
    }

    /// Destroys stacks/service by a plan that the rules approve, and the app's settings; checks that the state is empty.
    ///
    /// # Errors
    /// Returns an error if a program fails, or the state still has resources.
    pub(crate) fn destroy(&self) -> Result<(), Error> {
        self.plan("destroy", &["-destroy"])?;
        self.apply("destroy")?;
        // They are not managed by Terraform; the program that wrote them deletes them.
        let Target { parameters, region, .. } = self.target;
        let delete = ["delete-parameters", "--path", parameters, "--region", region];
        self.runner.run(&self.program("rds-iam").args(delete))?;
        let left = self.runner.ask(&self.terraform("service", ["state", "list"]))?;
        if left.trim().is_empty() {
            return Ok(());
        }
        Err(Error::Found {
            found: format!("the state still has\n{}", left.trim_end()),
            help: "each of these must be destroyable".to_owned(),
        })
    }

    /// Creates the whole deployment: applies the account's stack, then plans, checks and applies the
    /// service's.
    ///
    /// # Errors
    /// Returns an error if any step fails.
    pub(crate) fn stand_up(&self, package: &Path) -> Result<(), Error> {
        self.apply_account()?;
        let account = self.outputs("account")?;
        self.configure(&settings(package, false, &account))?;
        self.init(Some(&account["backend"]["value"]))?;
        self.plan("first", &[])?;
        self.apply("first")
    }
}

/// Returns the settings that follow from stacks/account's outputs.
pub(crate) fn settings<'a>(package: &'a Path, disposable: bool, account: &'a Value) -> Settings<'a> {
    Settings {
        package,
        disposable,
        zone_id: account["zone"]["value"]["id"].as_str().unwrap_or_default(),
        boundary: account["github"]["value"]["permissions_boundary_arn"].as_str(),
    }
}

/// `cargo xtask infra apply`, which the demo runs: creates the deployment at `AWS_ENDPOINT_URL`, which must
/// be on this machine and accept the key in `AWS_SHARED_CREDENTIALS_FILE`, and writes its outputs. Each engine has its
/// environment with RDS Proxy and the app.
///
/// # Errors
/// Returns an error if the address is on another machine, or any step fails.
pub(crate) fn apply_here(
    engine: Engine,
    outputs: &Path,
    workspace: &Workspace,
    runner: Runner,
) -> Result<(), Error> {
    let url = std::env::var("AWS_ENDPOINT_URL").unwrap_or_default();
    if !is_here(&url) {
        return Err(Error::Found {
            found: format!("AWS_ENDPOINT_URL is {url:?}: this is for an AWS API on this machine alone"),
            help: "use `cargo xtask demo --with-infra`; for AWS itself, terraform/stacks/service/README.md"
                .to_owned(),
        });
    }
    file::check_writable(outputs)?;
    let package = Package::of_this_machine().file(workspace);
    let credentials = std::env::var("AWS_SHARED_CREDENTIALS_FILE").unwrap_or_default();
    let target = match engine {
        Engine::Mysql => &LOCAL,
        Engine::Postgresql => &LOCAL_POSTGRES,
    };
    let deployment = Deployment::new("demo", target, &url, &credentials, workspace, runner)?;
    deployment.stand_up(&package)?;
    deployment.write_outputs(outputs)
}

/// Returns whether a URL is a port on this machine.
fn is_here(url: &str) -> bool {
    let port = url.strip_prefix("http://127.0.0.1:").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    port.is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_port_of_this_machine_is_applied_to() {
        assert!(is_here("http://127.0.0.1:5000") && is_here("http://127.0.0.1:5000/"));
        for url in [
            "",
            "http://127.0.0.1",
            "http://127.0.0.1:1@192.0.2.1/",
            "http://127.0.0.1.example.com:1",
            "https://ec2.eu-west-1.amazonaws.com",
        ] {
            assert!(!is_here(url), "{url}");
        }
    }
}
