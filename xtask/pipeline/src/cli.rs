//! The command line of the pipeline's program, in clap: a subcommand for each task (`ci`, `deploy`,
//! `promote`, `rollback`, `destroy`, `test`, `lint`, `doctor` and others) and for each stage.

use std::path::PathBuf;

use clap::{ArgMatches, Args as _, Command, FromArgMatches, Parser, Subcommand};

use crate::args::{EnvArg, Options, ReportArgs, StageArgs};
use crate::{stages, test};
use rds_iam_checks::infra::Infra;
use rds_iam_process::engine::Engine;
use rds_iam_process::tools;

/// The pipeline, and what it needs of a machine; `cargo xtask` starts it
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Run lint, Terraform's checks, all tests and the demo
    Test {
        #[arg(
            long,
            alias = "engine",
            value_enum,
            help = "The runtime of the database servers [env: RDS_IAM_EMULATOR_ENGINE] [default: auto]"
        )]
        runtime: Option<Engine>,
        /// Run only this part
        #[arg(long, value_enum, value_name = "PART")]
        only: Option<test::Only>,
    },
    /// Run the checks of a pull request; writes only to build folders
    #[command(display_order = 1)]
    Ci {
        #[command(flatten)]
        options: Options,
    },
    /// Deploy an environment: gates, plan, images, apply, users, rollout
    #[command(display_order = 1)]
    Deploy {
        #[command(flatten)]
        environment: EnvArg,
        /// Keep the current image: no build, scan, push or rollout
        #[arg(long)]
        infrastructure_only: bool,
        /// Accept an image that the registry did not scan, by its status: off, UNSUPPORTED_IMAGE
        #[arg(long, value_name = "STATUSES", value_delimiter = ',')]
        accept_scan: Vec<String>,
        #[command(flatten)]
        options: Options,
    },
    /// Copy the image that runs in one environment to another, and roll it out there
    #[command(display_order = 1)]
    Promote {
        /// The environment where it runs
        #[arg(long, value_name = "ENV", required_unless_present = "explain")]
        from: Option<String>,
        /// The environment to move it to
        #[arg(long, value_name = "ENV", required_unless_present = "explain")]
        to: Option<String>,
        /// The digest that must be running there, such as sha256:… [default: any]
        #[arg(long, value_name = "DIGEST")]
        digest: Option<String>,
        /// Gates that may have been skipped when it was built
        #[arg(long, value_name = "GATES", value_delimiter = ',')]
        accept_skipped: Vec<String>,
        /// The reason, for the record
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Run only these stages
        #[arg(long, value_name = "STAGES", value_delimiter = ',')]
        only: Vec<String>,
        #[command(flatten)]
        report: ReportArgs,
    },
    /// Roll out the image that served before the current one
    #[command(display_order = 1)]
    Rollback {
        #[command(flatten)]
        environment: EnvArg,
        #[command(flatten)]
        options: Options,
    },
    /// Destroy an environment, after a confirmation of its name and a final snapshot
    #[command(display_order = 1)]
    Destroy {
        #[command(flatten)]
        environment: EnvArg,
        /// Take no final snapshot of the database
        #[arg(long)]
        no_snapshot: bool,
        #[command(flatten)]
        options: Options,
    },
    #[command(flatten)]
    Stage(StageTask),
    /// Check the infrastructure, or apply, change and destroy it on this machine
    #[command(subcommand)]
    Infra(Infra),
    /// Check format, lints, documentation, dependencies and the repository's own rules
    Lint,
    /// List the tools that check and deploy, or install them at their pinned versions
    Tools(tools::Tools),
    /// Check the demo's requirements and build its inputs
    #[command(hide = true)]
    PrepareDemo {
        /// Also for the deployment to the AWS API on this machine
        #[arg(long)]
        with_infra: bool,
        /// The engine of the database server
        #[arg(long, default_value = "mysql")]
        database: rds_iam_infra::Engine,
        /// The runtime of the database server
        #[arg(long, value_enum)]
        runtime: Option<Engine>,
    },
    /// Write a plan's table into the pull request's one comment about it
    #[command(hide = true)]
    PullRequestComment {
        /// The file that the stage plan wrote, with the comment's text
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// List everything this machine needs, present or missing, with the command that installs it
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// The stages that an operator can run by themselves.
const STAGES: [&str; 16] = [
    "validate",
    "tflint",
    "checkov",
    "plan",
    "docker-build",
    "trivy",
    "apply",
    "outputs",
    "rds-conf",
    "proxy-auth",
    "ecr-push",
    "bootstrap",
    "rollout",
    "smoke",
    "programs",
    "account",
];

/// A stage run by itself: one subcommand for each of [`STAGES`], described by the stage's own purpose.
#[derive(Debug)]
pub(crate) struct StageTask {
    pub(crate) name: &'static str,
    pub(crate) args: StageArgs,
}

impl Subcommand for StageTask {
    fn augment_subcommands(cmd: Command) -> Command {
        STAGES.into_iter().filter_map(stages::find).fold(cmd, |cmd, stage| {
            let about = format!("Stage: {}", uncapitalised(stage.purpose));
            // Last, for the arguments bring a description of their own.
            cmd.subcommand(StageArgs::augment_args(Command::new(stage.name)).about(about).display_order(3))
        })
    }

    fn augment_subcommands_for_update(cmd: Command) -> Command {
        Self::augment_subcommands(cmd)
    }

    fn has_subcommand(name: &str) -> bool {
        STAGES.contains(&name)
    }
}

impl FromArgMatches for StageTask {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let stage =
            matches.subcommand().and_then(|(name, args)| stages::find(name).map(|stage| (stage.name, args)));
        let (name, args) =
            stage.ok_or_else(|| clap::Error::new(clap::error::ErrorKind::MissingSubcommand))?;
        Ok(Self { name, args: StageArgs::from_arg_matches(args)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// xtask links nothing of this, and its help names every task.
    #[test]
    fn xtask_has_a_line_for_each_task() {
        let file = rds_iam_process::workspace::root().join("xtask/src/cli.rs");
        let xtask = std::fs::read_to_string(file).unwrap();
        for task in Cli::command().get_subcommands().filter(|task| !task.is_hide_set()) {
            let about = format!("/// {}\n", task.get_about().unwrap());
            assert!(xtask.contains(&about), "{}: {about}", task.get_name());
        }
    }
}
