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
  cargo xtask doctor                   report what is missing on this machine
  cargo xtask demo --once              start the whole platform, check its claims, remove it
  cargo xtask demo --database postgres the same on PostgreSQL, with additional claims
  cargo xtask test --runtime process   all tests, without Docker
  cargo xtask test --only crates       the Rust crates alone, without Terraform or a registry
  cargo xtask test --only soak         the long runs: hours of tokens, faults and load on each engine
  cargo xtask test --only clients      the same of clients, and generated input: gateway and RDS Proxy
  cargo xtask test --only tunnel       the same of the tunnel: 1 GiB each way with each fault
  cargo xtask infra local              the deployment applied, changed and destroyed, without AWS
  cargo xtask bench -- --help          the options of the benchmark program

Environment:
  RDS_IAM_EMULATOR_ENGINE   auto, docker or process; the same as --runtime
  RDS_IAM_CACHE_DIR         the folder of tools and servers [default: ~/.cache/rds-iam]
  RDS_IAM_TERRAFORM_MIRROR  a filesystem mirror with Terraform's AWS provider
  RDS_IAM_IMAGE_BASES       pinned or local: official base images, or images built from Debian's packages
  RDS_IAM_ATTESTATIONS      OWNER/NAME on GitHub; a promotion requires its attestation of the image
  RDS_IAM_SOAK              rounds of the soak test [default: 1; 10 in test --only soak]
  RDS_IAM_CLIENTS           restarts of a database under load [default: 2; 20 in test --only clients]
  RDS_IAM_TUNNEL            transfers through the tunnel, in 8 MiB [default: 1; 128 in test --only tunnel]
  RDS_IAM_PREBUILT          set if xtask and its programs were built elsewhere: builds nothing
  RDS_IAM_CONFIRM           the environment that may be destroyed, if no terminal can ask for its name
  RDS_IAM_OFFLINE           advisories: CI passes if they can't be fetched, with a warning
  NO_COLOR                  no colours on a terminal either

Exit status:
  0         done
  1         a step failed; doctor, tools: something is missing
  2         the command line is wrong
  3         nothing was begun: something is missing
  10 to 34  the stage that stopped the pipeline; the same command with --explain lists them
  130       Ctrl-C";

/// A task of the command line.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Start the platform on this machine and check its claims
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
        /// Arguments of the benchmark program
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        passthrough: Vec<String>,
    },
    /// Print this message or the help of a task
    #[command(display_order = 10)]
    Help {
        /// The task, and its subcommand
        #[arg(value_name = "TASK")]
        task: Vec<OsString>,
    },
    #[command(flatten)]
    Pipeline(Pipeline),
}

/// The arguments of `cargo xtask demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Exit after the checks, instead of running until Ctrl-C
    #[arg(long)]
    pub(crate) once: bool,
    /// Also write the results to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// First apply the Terraform stack to the AWS API on this machine, and use its outputs
    #[arg(long)]
    pub(crate) with_infra: bool,
    /// The engine of the database server
    #[arg(long, value_parser = databases(), default_value = "mysql")]
    pub(crate) database: String,
    /// The runtime of the database server: auto, docker or process [env: RDS_IAM_EMULATOR_ENGINE] [default: auto]
    #[arg(long, alias = "engine", value_parser = runtime)]
    pub(crate) runtime: Option<String>,
}

/// Returns the names of the database servers. PostgreSQL has both of its names, as everywhere.
fn databases() -> [PossibleValue; 2] {
    [PossibleValue::new("mysql"), PossibleValue::new("postgres").alias("postgresql")]
}

/// Parses a runtime. Its option is also called `--engine`, which elsewhere selects the engine of a database.
fn runtime(name: &str) -> Result<String, String> {
    match name {
        "auto" | "docker" | "process" => Ok(name.to_owned()),
        "mysql" | "postgres" | "postgresql" => Err(format!(
            "a runtime is auto, docker or process\n  help: `--database {name}` selects the engine of the demo"
        )),
        _ => Err("expected auto, docker or process".to_owned()),
    }
}

/// The tasks of the pipeline's program, which reads the rest of their command lines.
#[derive(Debug, Subcommand)]
pub(crate) enum Pipeline {
    /// Run the checks of a pull request; writes only to build folders
    #[command(display_order = 1)]
    Ci(Rest),
    /// Deploy an environment: gates, plan, images, apply, users, rollout
    #[command(display_order = 1)]
    Deploy(Rest),
    /// Copy the image that runs in one environment to another, and roll it out there
    #[command(display_order = 1)]
    Promote(Rest),
    /// Roll out the image that served before the current one
    #[command(display_order = 1)]
    Rollback(Rest),
    /// Destroy an environment, after a confirmation of its name and a final snapshot
    #[command(display_order = 1)]
    Destroy(Rest),
    /// Run lint, Terraform's checks, all tests and the demo
    #[command(display_order = 1)]
    Test(Rest),
    /// Stage: check Terraform's format, and each module's and stack's validity and tests
    #[command(display_order = 3)]
    Validate(Rest),
    /// Stage: lint the Terraform code with tflint's rules and those for AWS
    #[command(display_order = 3)]
    Tflint(Rest),
    /// Stage: check the Terraform code against checkov's security rules
    #[command(display_order = 3)]
    Checkov(Rest),
    /// Stage: plan the deployment, and check the plan against the rules
    #[command(display_order = 3)]
    Plan(Rest),
    /// Stage: build the images of app and bootstrap, with SBOM and provenance
    #[command(display_order = 3)]
    DockerBuild(Rest),
    /// Stage: scan images, SBOMs and repository for HIGH and CRITICAL weaknesses, secrets and misconfiguration
    #[command(display_order = 3)]
    Trivy(Rest),
    /// Stage: apply the checked plan, and no other
    #[command(display_order = 3)]
    Apply(Rest),
    /// Stage: read Terraform's outputs of the existing deployment
    #[command(display_order = 3)]
    Outputs(Rest),
    /// Stage: write rds.conf, which bootstrap reads
    #[command(display_order = 3)]
    RdsConf(Rest),
    /// Stage: switch the proxy to end-to-end IAM if the deployment requests it, and verify the switch
    #[command(display_order = 3)]
    ProxyAuth(Rest),
    /// Stage: push the app's image by digest, tagged with the commit, and wait for the registry's scan
    #[command(display_order = 3)]
    EcrPush(Rest),
    /// Stage: create or update the database users, and verify them
    #[command(display_order = 3)]
    Bootstrap(Rest),
    /// Stage: set the image's parameter to the digest, replace the instances, and revert if they don't become healthy
    #[command(display_order = 3)]
    Rollout(Rest),
    /// Stage: request the service's page and messages, and on an instance the database user that it logs in as
    #[command(display_order = 3)]
    Smoke(Rest),
    /// Stage: build the programs that the pipeline runs, and bootstrap's Lambda package
    #[command(display_order = 3)]
    Programs(Rest),
    /// Stage: start the account on this machine: AWS API, registry, and stacks/account in it
    #[command(display_order = 3)]
    Account(Rest),
    /// Check the infrastructure, or apply, change and destroy it on this machine
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

/// Arguments that the pipeline's program reads.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    _args: Vec<OsString>,
}

#[cfg(test)]
mod tests;
