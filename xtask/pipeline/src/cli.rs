//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::args::{EnvArg, Options, ReportArgs, StageArgs};
use crate::test;
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
    /// Check and test everything, as CI does
    Test {
        #[arg(
            long,
            value_enum,
            help = "What runs the database servers [env: RDS_IAM_EMULATOR_ENGINE] [default: auto]"
        )]
        engine: Option<Engine>,
        /// Test this part alone
        #[arg(long, value_enum, value_name = "PART")]
        only: Option<test::Only>,
    },
    /// Run what a pull request must pass; nothing is written but build folders
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
        /// Leave the image as it is: no build, scan, push or rollout
        #[arg(long)]
        infrastructure_only: bool,
        /// Accept an image that the registry did not scan, by its status: off, UNSUPPORTED_IMAGE
        #[arg(long, value_name = "STATUSES", value_delimiter = ',')]
        accept_scan: Vec<String>,
        #[command(flatten)]
        options: Options,
    },
    /// Move the image that runs in one environment to another, and roll it out there
    #[command(display_order = 1)]
    Promote {
        /// The environment where it runs
        #[arg(long, value_name = "ENV", required_unless_present = "explain")]
        from: Option<String>,
        /// The environment to move it to
        #[arg(long, value_name = "ENV", required_unless_present = "explain")]
        to: Option<String>,
        /// The digest that must be running there, such as sha256:…; without it, whichever does
        #[arg(long, value_name = "DIGEST")]
        digest: Option<String>,
        /// Gates that may have been skipped when it was built
        #[arg(long, value_name = "GATES", value_delimiter = ',')]
        accept_skipped: Vec<String>,
        /// Why, for the record
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Run these stages alone
        #[arg(long, value_name = "STAGES", value_delimiter = ',')]
        only: Vec<String>,
        #[command(flatten)]
        report: ReportArgs,
    },
    /// Roll the image out that served before this one
    #[command(display_order = 1)]
    Rollback {
        #[command(flatten)]
        environment: EnvArg,
        #[command(flatten)]
        options: Options,
    },
    /// Destroy an environment, after its name was typed and a last snapshot taken
    #[command(display_order = 1)]
    Destroy {
        #[command(flatten)]
        environment: EnvArg,
        /// Take no last snapshot of the database
        #[arg(long)]
        no_snapshot: bool,
        #[command(flatten)]
        options: Options,
    },
    #[command(flatten)]
    Stage(StageTask),
    /// Check the infrastructure, or live its whole life on this machine
    #[command(subcommand)]
    Infra(Infra),
    /// Check format, lints, documentation, dependencies and the repository's own rules
    Lint,
    /// List the tools that check and deploy, or install them at their pinned versions
    Tools(tools::Tools),
    /// Look for what the demo needs, and make what it is given
    #[command(hide = true)]
    PrepareDemo {
        /// Also for the deployment to the AWS API on this machine
        #[arg(long)]
        with_infra: bool,
        /// What runs the database server
        #[arg(long, value_enum)]
        engine: Option<Engine>,
    },
    /// Write a plan's table into the pull request's one comment about it
    #[command(hide = true)]
    PullRequestComment {
        /// The comment's text, as the stage plan wrote it
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

/// The stages, each by itself. What each does is `--explain`ed by what it declares.
#[derive(Debug, Subcommand)]
pub(crate) enum StageTask {
    /// Stage: check Terraform's format, and each module's and stack's validity and tests
    #[command(display_order = 3)]
    Validate(StageArgs),
    /// Stage: lint the Terraform code by tflint's rules and AWS's
    #[command(display_order = 3)]
    Tflint(StageArgs),
    /// Stage: check the Terraform code against checkov's security rules
    #[command(display_order = 3)]
    Checkov(StageArgs),
    /// Stage: plan the deployment, and have the rules judge the plan
    #[command(display_order = 3)]
    Plan(StageArgs),
    /// Stage: build the images of app and bootstrap, with SBOM and provenance
    #[command(display_order = 3)]
    DockerBuild(StageArgs),
    /// Stage: scan images, SBOMs and repository for HIGH and CRITICAL weaknesses, secrets and misconfiguration
    #[command(display_order = 3)]
    Trivy(StageArgs),
    /// Stage: apply the plan that was judged, and no other
    #[command(display_order = 3)]
    Apply(StageArgs),
    /// Stage: read what Terraform put out for the deployment that is there
    #[command(display_order = 3)]
    Outputs(StageArgs),
    /// Stage: write rds.conf, which bootstrap reads
    #[command(display_order = 3)]
    RdsConf(StageArgs),
    /// Stage: switch the proxy to end-to-end IAM where the deployment asks for it, and read that back
    #[command(display_order = 3)]
    ProxyAuth(StageArgs),
    /// Stage: push both images by digest, tagged with the commit, and wait for the registry's scan
    #[command(display_order = 3)]
    EcrPush(StageArgs),
    /// Stage: create or update the database users, and verify them
    #[command(display_order = 3)]
    Bootstrap(StageArgs),
    /// Stage: point the image's parameter at the digest, refresh the machines, watch their health, or go back
    #[command(display_order = 3)]
    Rollout(StageArgs),
    /// Stage: ask the service over HTTP whether it is ready, and whom it logs in as
    #[command(display_order = 3)]
    Smoke(StageArgs),
    /// Stage: build the programs that the pipeline runs, and bootstrap's Lambda package
    #[command(display_order = 3)]
    Programs(StageArgs),
    /// Stage: stand up the account on this machine: AWS API, registry, and stacks/account in it
    #[command(display_order = 3)]
    Account(StageArgs),
}

impl StageTask {
    /// The stage's name, and what it was told.
    pub(crate) fn named(self) -> (&'static str, StageArgs) {
        match self {
            Self::Validate(args) => ("validate", args),
            Self::Tflint(args) => ("tflint", args),
            Self::Checkov(args) => ("checkov", args),
            Self::Plan(args) => ("plan", args),
            Self::DockerBuild(args) => ("docker-build", args),
            Self::Trivy(args) => ("trivy", args),
            Self::Apply(args) => ("apply", args),
            Self::Outputs(args) => ("outputs", args),
            Self::RdsConf(args) => ("rds-conf", args),
            Self::ProxyAuth(args) => ("proxy-auth", args),
            Self::EcrPush(args) => ("ecr-push", args),
            Self::Bootstrap(args) => ("bootstrap", args),
            Self::Rollout(args) => ("rollout", args),
            Self::Smoke(args) => ("smoke", args),
            Self::Programs(args) => ("programs", args),
            Self::Account(args) => ("account", args),
        }
    }
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
