//! The stages `account` and `account-end`: start the emulated AWS account on this machine and apply
//! `stacks/account` in it, and end it when no environment is left.

use serde_json::Value;

use crate::commands::Stack;
use crate::context::{self, Context};
use crate::environment;
use crate::local;
use crate::need::Need;
use crate::stage::{Action, Artifact, Effect, Part, Stage};
use rds_iam_checks::infra::terraform::Terraform;
use rds_iam_infra::Engine;
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::tools::Tool;

pub(super) const ACCOUNT: Stage = Stage {
    name: "account",
    purpose: "Start the account on this machine: AWS API, registry, and stacks/account in it",
    inputs: &[Artifact::Programs],
    outputs: &[Artifact::Account],
    effect: Effect::Local,
    part: Part::Every,
    undo: "`cargo xtask destroy` ends it with the last environment",
    minutes: 15,
    exit: 20,
    needs: |context| {
        let server = match context.environment.as_ref().map(|environment| environment.engine) {
            Some(Engine::Postgres) => "PostgreSQL server",
            Some(Engine::MySql) | None => "MySQL server",
        };
        let listed = ["Python venv and pip", "AWS API", server, "docker-registry"].map(Need::Listed);
        [Need::Tool(Tool::Terraform), Need::Provider, Need::Engine].into_iter().chain(listed).collect()
    },
    actions: |context| {
        Ok(vec![Action::new(format!("$ {} &", local::command(context.workspace).shown()), move |io| {
            let applied = local::folder(context.workspace).join("applied");
            if !local::start(context.workspace, io)? && applied.is_file() {
                return Ok(Some("it runs already".to_owned()));
            }
            // The address is known only now.
            let stack = AccountStack::find(context, io.runner)?;
            io.runner.run(&stack.init())?;
            io.runner.run(&stack.apply())?;
            file::replace(&applied, "stacks/account\n")?;
            Ok(None)
        })])
    },
};

pub(super) const END: Stage = Stage {
    name: "account-end",
    purpose: "End the account on this machine if no environment is left in it",
    inputs: &[Artifact::Destroyed],
    outputs: &[],
    effect: Effect::Local,
    part: Part::Every,
    undo: "nothing is lost: no environment is left",
    minutes: 5,
    exit: 21,
    needs: |_| Vec::new(),
    actions: |context| {
        Ok(vec![Action::new("end the account, where no environment is left in it", move |io| {
            let folder = context::folder(context.workspace);
            let left: Vec<&str> = environment::local_names()
                .filter(|name| folder.join(name).join("outputs.json").is_file())
                .collect();
            if !left.is_empty() {
                return Ok(Some(format!("it stays for {}", left.join(", "))));
            }
            local::end(context.workspace, io).map(|()| None)
        })])
    },
};

/// stacks/account on this machine. Its state is in the account's folder, and is removed with it.
struct AccountStack {
    stack: Stack,
    state: String,
}

impl AccountStack {
    fn find(context: &Context<'_>, runner: Runner) -> Result<Self, Error> {
        let folder = local::folder(context.workspace);
        let state = format!("-state={}", folder.join("account.tfstate").display());
        let terraform = Terraform::find(context.workspace, runner)?;
        let stack = Stack::new(
            terraform,
            context.workspace.root.join("terraform/stacks/account"),
            &folder.join("terraform"),
            local::environment(context)?,
        );
        Ok(Self { stack, state })
    }

    fn init(&self) -> Cmd {
        self.stack.init()
    }

    fn apply(&self) -> Cmd {
        let args = ["apply", "-input=false", "-no-color", "-auto-approve", "-var-file=local.tfvars"];
        self.stack.cmd(args).args([&self.state])
    }
}

/// Returns the outputs of stacks/account on this machine.
///
/// # Errors
/// Returns an error if it was not applied, or Terraform fails.
pub(super) fn outputs(context: &Context<'_>, runner: Runner) -> Result<Value, Error> {
    let account = AccountStack::find(context, runner)?;
    let cmd = account.stack.cmd(["output", "-json", "-no-color"]).args([&account.state]);
    let printed = runner.ask(&cmd)?;
    serde_json::from_str(&printed).map_err(Error::answer(&cmd))
}
