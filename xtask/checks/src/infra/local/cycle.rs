//! `Cycle`: the life of a deployment to an AWS API on this machine, with the state and the actions that its steps share.

use std::cell::OnceCell;
use std::path::PathBuf;

use super::leftovers::{expect_nothing_left, expect_tagged};
use crate::infra::aws::LocalAws;
use crate::infra::deployment::Deployment;
use crate::infra::target::Target;
use rds_iam_images::package::Package;
use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::runner::Runner;
use rds_iam_process::steps::{Outcome, Step};
use rds_iam_process::workspace::Workspace;

/// A step's name and action.
pub(super) type Part<'a> = (&'static str, fn(&Cycle<'a>) -> Result<(), Error>);

/// The state that the steps share. Dropping it ends the AWS API.
pub(super) struct Cycle<'a> {
    /// The name of the folder of its files.
    name: &'static str,
    target: &'static Target,
    workspace: &'a Workspace,
    pub(super) console: Console,
    pub(super) runner: Runner,
    started: OnceCell<Started<'a>>,
}

pub(super) struct Started<'a> {
    pub(super) deployment: Deployment<'a>,
    pub(super) aws: LocalAws,
}

impl<'a> Cycle<'a> {
    pub(super) fn new(
        name: &'static str,
        target: &'static Target,
        workspace: &'a Workspace,
        console: Console,
        runner: Runner,
    ) -> Self {
        Self { name, target, workspace, console, runner, started: OnceCell::new() }
    }

    /// Returns the steps of a life.
    pub(super) fn steps<'s, const N: usize>(&'s self, life: [Part<'a>; N]) -> [Step<'s>; N] {
        life.map(|(name, action)| {
            Step::new(name, move || {
                // The API's end is the cause of a failure, regardless of Terraform's error.
                let ended = || self.started.get().and_then(|started| started.aws.exit_error());
                action(self).map_err(|error| ended().unwrap_or(error)).map(|()| Outcome::Passed)
            })
        })
    }

    pub(super) fn started(&self) -> Result<&Started<'a>, Error> {
        self.started.get().ok_or_else(|| Error::Found {
            found: "the AWS API is not there yet".to_owned(),
            help: "an earlier step makes it".to_owned(),
        })
    }

    pub(super) fn deployment(&self) -> Result<&Deployment<'a>, Error> {
        Ok(&self.started()?.deployment)
    }

    /// Returns the path of bootstrap's package.
    pub(super) fn package(&self) -> PathBuf {
        Package::of_this_machine().file(self.workspace)
    }

    pub(super) fn start(&self) -> Result<(), Error> {
        let aws = LocalAws::start(self.workspace, self.target.region)?;
        let (url, credentials) = (aws.url(), aws.credentials());
        let deployment =
            Deployment::new(self.name, self.target, url, credentials, self.workspace, self.runner)?;
        self.console.line(&deployment.describe());
        drop(self.started.set(Started { deployment, aws }));
        Ok(())
    }

    pub(super) fn apply(&self) -> Result<(), Error> {
        self.deployment()?.apply("first")
    }

    pub(super) fn second_plan(&self) -> Result<(), Error> {
        self.deployment()?.expect_empty_plan()
    }

    /// Writes outputs.json, and rds.conf from it with the same program as on AWS. Returns their paths.
    pub(super) fn write_conf(&self) -> Result<(String, PathBuf), Error> {
        let deployment = self.deployment()?;
        let [outputs, conf] = ["outputs.json", "rds.conf"].map(|name| deployment.stack("service").join(name));
        deployment.write_outputs(&outputs)?;
        let (outputs, written) = (outputs.display().to_string(), conf.display().to_string());
        let write = ["conf", "--outputs", &outputs, "--write", &written];
        self.runner.run(&deployment.program("rds-iam").args(write))?;
        Ok((outputs, conf))
    }

    /// Destroys a deployment of which the AWS API lists at least `fewest_tagged` resources by their tags.
    pub(super) fn destroy(&self, fewest_tagged: usize) -> Result<(), Error> {
        let Started { deployment, aws } = self.started()?;
        expect_tagged(fewest_tagged, self.target.project, aws, self.console)?;
        deployment.destroy()
    }

    /// Checks that no resource still has the project's tag.
    pub(super) fn nothing_left(&self) -> Result<(), Error> {
        expect_nothing_left(self.target.project, &self.started()?.aws)
    }
}
