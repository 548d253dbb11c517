//! The second engine's deployment in `cargo xtask infra local`: the environment `auroratest`, an Aurora PostgreSQL cluster
//! that pauses without connections, a jump host, and neither RDS Proxy nor an app. Its state is in a file.

use std::cell::OnceCell;

use serde_json::json;

use super::leftovers::{expect_nothing_left, expect_tagged};
use super::{Started, not_yet};
use crate::infra::aws::LocalAws;
use crate::infra::deployment::{AURORA, Deployment};
use rds_iam_images::package::Package;
use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::Runner;
use rds_iam_process::steps::{Outcome, Step};
use rds_iam_process::workspace::Workspace;

/// The minimum number of resources with the project's tag before all are destroyed.
const FEWEST_TAGGED: usize = 25;

/// The settings that `rds.conf` must have.
const IN_RDS_CONF: [&str; 3] = ["ENGINE=\"postgresql\"", "RDS_RESOURCE_ID=\"cluster-", ".cluster-"];

type Action<'a> = fn(&Cluster<'a>) -> Result<(), Error>;

/// The state that the steps share. Dropping it ends the AWS API.
pub(super) struct Cluster<'a> {
    workspace: &'a Workspace,
    console: Console,
    runner: Runner,
    started: OnceCell<Started<'a>>,
}

impl<'a> Cluster<'a> {
    pub(super) fn new(workspace: &'a Workspace, console: Console, runner: Runner) -> Self {
        Self { workspace, console, runner, started: OnceCell::new() }
    }

    /// Returns the steps of its life, after the steps that build programs and package.
    pub(super) fn steps<'s>(&'s self) -> Vec<Step<'s>>
    where
        'a: 's,
    {
        let steps: [(&'static str, Action<'a>); 7] = [
            ("cluster: AWS API", Self::start),
            ("cluster: plan", Self::plan),
            ("cluster: apply", |cluster| cluster.deployment()?.apply("first")),
            ("cluster: second plan", |cluster| cluster.deployment()?.expect_empty_plan()),
            ("cluster: outputs", Self::outputs),
            ("cluster: destroy", Self::destroy),
            ("cluster: nothing left", |cluster| expect_nothing_left(AURORA.project, &cluster.started()?.aws)),
        ];
        let step = |(name, action): (&'static str, Action<'a>)| {
            Step::new(name, move || {
                // The API's end is the cause of a failure, regardless of Terraform's error.
                let ended = || self.started.get().and_then(|started| started.aws.exit_error());
                action(self).map_err(|error| ended().unwrap_or(error)).map(|()| Outcome::Passed)
            })
        };
        steps.map(step).into()
    }

    fn started(&self) -> Result<&Started<'a>, Error> {
        self.started.get().ok_or_else(|| not_yet("the AWS API"))
    }

    fn deployment(&self) -> Result<&Deployment<'a>, Error> {
        Ok(&self.started()?.deployment)
    }

    fn start(&self) -> Result<(), Error> {
        let aws = LocalAws::start(self.workspace, AURORA.region)?;
        let (url, credentials) = (aws.url(), aws.credentials());
        let deployment = Deployment::new("cluster", &AURORA, url, credentials, self.workspace, self.runner)?;
        self.console.line(&deployment.describe());
        drop(self.started.set(Started { deployment, aws }));
        Ok(())
    }

    fn plan(&self) -> Result<(), Error> {
        let deployment = self.deployment()?;
        // The tfvars' settings of bootstrap, with this machine's package.
        deployment.configure_with(&json!({
            "bootstrap": {
                "package": Package::of_this_machine().file(self.workspace),
                "architecture": "x86_64",
                "users_file": format!("environments/{}.users.toml", AURORA.environment),
            },
        }))?;
        deployment.init(None)?;
        deployment.plan("first", &[])
    }

    /// Writes rds.conf from the outputs, with the same program as on AWS, and checks that it is of the cluster.
    fn outputs(&self) -> Result<(), Error> {
        let deployment = self.deployment()?;
        let outputs = deployment.stack("service").join("outputs.json");
        deployment.write_outputs(&outputs)?;
        let (outputs, conf) = (outputs.display().to_string(), deployment.stack("service").join("rds.conf"));
        let write = ["conf", "--outputs", &outputs, "--write", &conf.display().to_string()];
        self.runner.run(&deployment.program("rds-iam").args(write))?;
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

    fn destroy(&self) -> Result<(), Error> {
        let Started { deployment, aws } = self.started()?;
        expect_tagged(FEWEST_TAGGED, AURORA.project, aws, self.console)?;
        deployment.destroy()
    }
}
