//! The command line of `cargo xtask`, in clap: the tasks `demo`, `fmt` and `bench`, and the tasks that the
//! pipeline's program runs.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, Parser, Subcommand};

/// The tasks of this workspace.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", after_help = EXAMPLES, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask doctor                   what is missing on this machine
  cargo xtask demo --once              the whole platform, its claims proved, and gone again
  cargo xtask demo --database postgres the same on PostgreSQL, and its own claims
  cargo xtask test --engine process    all tests, without Docker
  cargo xtask test --only crates       the Rust crates alone, without Terraform or a registry
  cargo xtask test --only soak         the long runs: hours of tokens, faults and load on each engine
  cargo xtask infra local              the deployment applied, changed and destroyed, without AWS
  cargo xtask bench -- --help          what the benchmark program can be told

Environment:
  RDS_IAM_EMULATOR_ENGINE   auto, docker or process; as --engine
  RDS_IAM_CACHE_DIR         where tools and servers are kept [default: ~/.cache/rds-iam]
  RDS_IAM_TERRAFORM_MIRROR  a filesystem mirror to take Terraform's AWS provider from
  RDS_IAM_IMAGE_BASES       pinned or local: official base images, or ones made of Debian's packages
  RDS_IAM_ATTESTATIONS      OWNER/NAME on GitHub, whose attestation of an image a promotion asks for
  RDS_IAM_SOAK              rounds of the soak test [default: 1; 10 in test --only soak]
  RDS_IAM_PREBUILT          set where xtask and its programs were built elsewhere: nothing is built
  RDS_IAM_CONFIRM           the environment that may be destroyed, where no terminal asks for its name
  RDS_IAM_OFFLINE           advisories: CI passes where they can't be fetched, and says so
  NO_COLOR                  no colours on a terminal either

Exit status:
  0         done
  1         something failed; doctor, tools: something is missing
  2         the command line is wrong
  3         nothing was begun: something is missing
  10 to 34  the stage that stopped the pipeline; the same command with --explain lists them
  130       Ctrl-C";

/// What a person can ask for.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Start the platform on this machine and prove what it claims
    #[command(display_order = 0)]
    Demo(Demo),
    /// Format the code
    #[command(display_order = 6)]
    Fmt {
        /// Change nothing; fail where something would change
        #[arg(long)]
        check: bool,
    },
    /// Measure release builds and save the results to target/bench/latest.json
    #[command(display_order = 7)]
    Bench {
        /// Passed on to the benchmark program
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        passthrough: Vec<String>,
    },
    /// Print this message or the help of a task
    #[command(display_order = 10)]
    Help {
        /// The task, and what is below it
        #[arg(value_name = "TASK")]
        task: Vec<OsString>,
    },
    #[command(flatten)]
    Pipeline(Pipeline),
}

/// What `cargo xtask demo` passes on.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Leave once the table stands, instead of staying up until Ctrl-C
    #[arg(long)]
    pub(crate) once: bool,
    /// Also write the table to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// First apply the Terraform stack to the AWS API on this machine, and run on what it left
    #[arg(long)]
    pub(crate) with_infra: bool,
    /// The database server
    #[arg(long, value_parser = databases(), default_value = "mysql")]
    pub(crate) database: String,
    /// What runs the database server: auto, docker or process [env: RDS_IAM_EMULATOR_ENGINE] [default: auto]
    #[arg(long, value_parser = ["auto", "docker", "process"])]
    pub(crate) engine: Option<String>,
}

/// Returns the names of the database servers. PostgreSQL has both of its names, as everywhere.
fn databases() -> [PossibleValue; 2] {
    [PossibleValue::new("mysql"), PossibleValue::new("postgres").alias("postgresql")]
}

/// The tasks of the pipeline's program, which reads the rest of their command lines.
#[derive(Debug, Subcommand)]
pub(crate) enum Pipeline {
    /// Run what a pull request must pass; nothing is written but build folders
    #[command(display_order = 1)]
    Ci(Rest),
    /// Deploy an environment: gates, plan, images, apply, users, rollout
    #[command(display_order = 1)]
    Deploy(Rest),
    /// Move the image that runs in one environment to another, and roll it out there
    #[command(display_order = 1)]
    Promote(Rest),
    /// Roll the image out that served before this one
    #[command(display_order = 1)]
    Rollback(Rest),
    /// Destroy an environment, after its name was typed and a last snapshot taken
    #[command(display_order = 1)]
    Destroy(Rest),
    /// Run lint, Terraform's checks, all tests and the demo
    #[command(display_order = 1)]
    Test(Rest),
    /// Stage: check Terraform's format, and each module's and stack's validity and tests
    #[command(display_order = 3)]
    Validate(Rest),
    /// Stage: lint the Terraform code by tflint's rules and AWS's
    #[command(display_order = 3)]
    Tflint(Rest),
    /// Stage: check the Terraform code against checkov's security rules
    #[command(display_order = 3)]
    Checkov(Rest),
    /// Stage: plan the deployment, and have the rules judge the plan
    #[command(display_order = 3)]
    Plan(Rest),
    /// Stage: build the images of app and bootstrap, with SBOM and provenance
    #[command(display_order = 3)]
    DockerBuild(Rest),
    /// Stage: scan images, SBOMs and repository for HIGH and CRITICAL weaknesses, secrets and misconfiguration
    #[command(display_order = 3)]
    Trivy(Rest),
    /// Stage: apply the plan that was judged, and no other
    #[command(display_order = 3)]
    Apply(Rest),
    /// Stage: read what Terraform put out for the deployment that is there
    #[command(display_order = 3)]
    Outputs(Rest),
    /// Stage: write rds.conf, which bootstrap reads
    #[command(display_order = 3)]
    RdsConf(Rest),
    /// Stage: switch the proxy to end-to-end IAM where the deployment asks for it, and read that back
    #[command(display_order = 3)]
    ProxyAuth(Rest),
    /// Stage: push the app's image by digest, tagged with the commit, and wait for the registry's scan
    #[command(display_order = 3)]
    EcrPush(Rest),
    /// Stage: create or update the database users, and verify them
    #[command(display_order = 3)]
    Bootstrap(Rest),
    /// Stage: point the image's parameter at the digest, refresh the machines, watch their health, or go back
    #[command(display_order = 3)]
    Rollout(Rest),
    /// Stage: ask the service for its page and its messages, and on an instance as whom it logs in
    #[command(display_order = 3)]
    Smoke(Rest),
    /// Stage: build the programs that the pipeline runs, and bootstrap's Lambda package
    #[command(display_order = 3)]
    Programs(Rest),
    /// Stage: stand up the account on this machine: AWS API, registry, and stacks/account in it
    #[command(display_order = 3)]
    Account(Rest),
    /// Check the infrastructure, or live its whole life on this machine
    #[command(display_order = 4)]
    Infra(Rest),
    /// Check format, lints, documentation, dependencies and the repository's own rules
    #[command(display_order = 5)]
    Lint(Rest),
    /// List the tools that check and deploy, or install them at their pinned versions
    #[command(display_order = 8)]
    Tools(Rest),
    /// List everything this machine needs, present or missing, with the command that installs it
    #[command(display_order = 9)]
    Doctor(Rest),
    /// Write a plan's table into the pull request's one comment about it
    #[command(hide = true)]
    PullRequestComment(Rest),
}

/// What the pipeline's program reads by itself.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    _args: Vec<OsString>,
}

#[cfg(test)]
mod tests;
