//! The declaration of a stage: data from which the order, parallelism, dry runs, `--explain` and the report
//! are derived, and a function that prepares its commands without running any.

use std::time::Duration;

use crate::context::Context;
use crate::environment::Environment;
use crate::need::Need;
use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::runner::{Cmd, Runner};

/// A stage of the pipeline.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    /// The purpose, in one line.
    pub(crate) purpose: &'static str,
    /// The artifacts of other stages that it needs; the stages that make them run before it.
    pub(crate) inputs: &'static [Artifact],
    pub(crate) outputs: &'static [Artifact],
    pub(crate) effect: Effect,
    /// The part of a deployment without which the stage is left out.
    pub(crate) part: Part,
    /// The way to undo the stage, or the remedy if it stopped before its end.
    pub(crate) undo: &'static str,
    /// The time limit in minutes.
    pub(crate) minutes: u64,
    /// The exit status of a run in which this stage failed.
    pub(crate) exit: u8,
    /// Tools, settings and permissions; those of all stages are checked before any begins.
    pub(crate) needs: fn(&Context<'_>) -> Vec<Need>,
    /// The actions, as values.
    pub(crate) actions: for<'c> fn(&'c Context<'_>) -> Result<Vec<Action<'c>>, Error>,
}

impl Stage {
    /// Returns the time limit.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.minutes * 60)
    }

    /// Returns whether a deployment has the part that the stage is for.
    pub(crate) fn is_part_of(&self, environment: &Environment) -> bool {
        self.part.is_in(environment)
    }

    /// Returns whether it is a gate: its result is kept and checked later.
    pub(crate) fn is_gate(&self) -> bool {
        self.outputs.iter().any(|output| matches!(output, Artifact::Verdict(_)))
    }
}

/// The part of a deployment that a stage is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Every deployment has it.
    Every,
    /// RDS Proxy: `proxy` of the tfvars is not null.
    Proxy,
    /// The service and its images: `app` of the tfvars is not null.
    App,
}

impl Part {
    /// Returns whether a deployment has it.
    pub(crate) fn is_in(self, environment: &Environment) -> bool {
        match self {
            Self::Every => true,
            Self::Proxy => environment.has_proxy,
            Self::App => environment.has_app,
        }
    }

    /// Returns the words for a part that a deployment may lack.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Every => "all parts",
            Self::Proxy => "a proxy",
            Self::App => "an app",
        }
    }
}

/// The effect of a stage, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// Reads only, and writes nothing but its log.
    Reads,
    /// Writes on this machine.
    Local,
    /// Changes the account, or its running services.
    Remote,
    /// Removes data that can't be restored.
    Destructive,
}

impl Effect {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Destructive => "destructive",
        }
    }
}

/// An artifact that one stage passes to another. Files are in the folder of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Artifact {
    /// The workspace's programs that the pipeline runs, and bootstrap's Lambda package.
    Programs,
    /// An account to deploy to: on this machine created by a stage, on AWS by an administrator.
    Account,
    /// The record in `gates.json` that a gate passed for this commit.
    Verdict(&'static str),
    /// `plan.tfplan`, `plan.json` and the manifest that binds them to a commit.
    Plan,
    /// The images of app and bootstrap, with SBOM and provenance, as OCI layouts.
    Images,
    /// `outputs.json`: Terraform's outputs.
    Outputs,
    /// `rds.conf`.
    RdsConf,
    /// A proxy with the deployment's login method.
    Proxy,
    /// `pushed.json`: the app's image in the environment's repository, by digest.
    Pushed,
    /// `pushed-bootstrap.json`: on this machine, bootstrap's image in the registry. On AWS it is a function's package.
    PushedBootstrap,
    /// The database users.
    Users,
    /// `rollout.json`: the running image.
    Release,
    /// `destroy.tfplan`: the planned destruction.
    DestroyPlan,
    /// The last snapshot of the database.
    Snapshot,
    /// The confirmation that no resource is left.
    Destroyed,
}

impl Artifact {
    /// Returns a description.
    pub(crate) fn what(self) -> String {
        match self {
            Self::Verdict(gate) => format!("verdict of {gate}"),
            Self::Programs => "programs".to_owned(),
            Self::Account => "account".to_owned(),
            Self::Plan => "plan".to_owned(),
            Self::Images => "images".to_owned(),
            Self::Outputs => "outputs".to_owned(),
            Self::RdsConf => "rds.conf".to_owned(),
            Self::Proxy => "proxy".to_owned(),
            Self::Pushed => "pushed image".to_owned(),
            Self::PushedBootstrap => "pushed image of bootstrap".to_owned(),
            Self::Users => "database users".to_owned(),
            Self::Release => "release".to_owned(),
            Self::DestroyPlan => "plan of the destruction".to_owned(),
            Self::Snapshot => "last snapshot".to_owned(),
            Self::Destroyed => "end of the deployment".to_owned(),
        }
    }

    /// Returns the file that shows that it exists, for those that are files.
    pub(crate) fn file(self, context: &Context<'_>) -> Option<std::path::PathBuf> {
        match self {
            Self::Plan => Some(context.bundle("plan.manifest.json")),
            Self::Images => Some(context.images_of()),
            Self::Outputs => Some(context.file("outputs.json")),
            Self::RdsConf => Some(context.file("rds.conf")),
            Self::Pushed => Some(context.file("pushed.json")),
            Self::PushedBootstrap => context.is_local().then(|| context.file("pushed-bootstrap.json")),
            Self::DestroyPlan => Some(context.bundle("destroy.manifest.json")),
            Self::Programs
            | Self::Account
            | Self::Verdict(_)
            | Self::Proxy
            | Self::Users
            | Self::Release
            | Self::Destroyed => None,
            Self::Snapshot => Some(context.bundle("snapshot.json")),
        }
    }
}

/// The work of an action that is not a single command.
type Work<'c> = Box<dyn FnOnce(&Io) -> Result<Option<String>, Error> + Send + 'c>;

/// One action of a stage.
pub(crate) enum Action<'c> {
    /// Runs a command.
    Run(Cmd),
    /// Runs a function, or a command that is only known after others have run.
    Do {
        /// A description, or the command that will be run.
        what: String,
        /// Returns a note about its result for the operator.
        work: Work<'c>,
    },
}

impl<'c> Action<'c> {
    pub(crate) fn new(
        what: impl Into<String>,
        work: impl FnOnce(&Io) -> Result<Option<String>, Error> + Send + 'c,
    ) -> Self {
        Self::Do { what: what.into(), work: Box::new(work) }
    }
}

impl From<Cmd> for Action<'_> {
    fn from(cmd: Cmd) -> Self {
        Self::Run(cmd)
    }
}

/// The console that a stage writes to, and the runner of its commands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Io {
    pub(crate) console: Console,
    pub(crate) runner: Runner,
}
