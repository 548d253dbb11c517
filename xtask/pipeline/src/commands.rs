//! Builds the commands that act on an environment's account: the workspace's programs, and Terraform in
//! `stacks/service` (`Stack`).

use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::environment::{EnvironmentKind, STACK};
use crate::local;
use rds_iam_checks::infra::terraform::Terraform;
use rds_iam_process::error::Error;
use rds_iam_process::runner::Cmd;

impl Context<'_> {
    /// Returns the path of the program `rds-iam`.
    pub(crate) fn rds_iam(&self) -> PathBuf {
        self.workspace.target.join("debug/rds-iam")
    }

    /// Returns a command of one of the workspace's programs, directed at the environment's account.
    ///
    /// # Errors
    /// Returns an error if the run has no environment.
    pub(crate) fn in_account(&self, cmd: xshell::Cmd<'_>) -> Result<Cmd, Error> {
        let cmd = Cmd::from_xshell(cmd, "cargo xtask programs");
        Ok(match self.environment()?.kind {
            EnvironmentKind::Aws => cmd,
            EnvironmentKind::Local => cmd.without(&["AWS_"]).settings(&local::environment(self)?),
        })
    }

    /// Returns Terraform in stacks/service, directed at the environment's account.
    ///
    /// # Errors
    /// Returns an error if the run has no environment.
    pub(crate) fn terraform(&self) -> Result<Stack, Error> {
        let kind = self.environment()?.kind;
        let terraform = Terraform::new(self.workspace);
        let (terraform, settings) = match kind {
            EnvironmentKind::Aws => (terraform.with_the_callers_credentials(), Vec::new()),
            // Without a limit, an HTTP 500 error is retried for nine minutes.
            EnvironmentKind::Local => {
                let mut settings = local::environment(self)?;
                settings.push(("AWS_MAX_ATTEMPTS", "3".to_owned()));
                (terraform, settings)
            }
        };
        Ok(Stack::new(terraform, self.workspace.root.join(STACK), &self.file("terraform"), settings))
    }
}

/// Terraform in a stack of the sources, whose files stay unchanged.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    terraform: Terraform,
    dir: PathBuf,
    data: String,
    settings: Vec<(&'static str, String)>,
}

impl Stack {
    /// Creates a stack in `dir` with Terraform's own data in `data`.
    pub(crate) fn new(
        terraform: Terraform,
        dir: PathBuf,
        data: &Path,
        settings: Vec<(&'static str, String)>,
    ) -> Self {
        Self { terraform, dir, data: data.display().to_string(), settings }
    }

    /// Creates the files that Terraform needs besides its sources.
    ///
    /// # Errors
    /// Returns an error if they can't be created.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        self.terraform.prepare()
    }

    /// Returns a Terraform command.
    pub(crate) fn cmd<S: Into<String>>(&self, args: impl IntoIterator<Item = S>) -> Cmd {
        self.of_stack(self.terraform.cmd(&self.dir, args))
    }

    /// Returns the command `terraform init`.
    pub(crate) fn init(&self) -> Cmd {
        self.of_stack(self.terraform.init(&self.dir))
    }

    fn of_stack(&self, cmd: Cmd) -> Cmd {
        cmd.settings(&self.settings).env("TF_DATA_DIR", &self.data)
    }
}
