//! The tasks a contributor runs, and that CI runs: `cargo xtask <task>`.
//!
//! It starts programs and links none of the workspace's crates, so that it compiles in seconds and
//! still works when they do not. What a task does is in the module of its name; all programs are
//! started by [`runner`], and tasks of several steps end with the table of [`steps`].

mod bench;
mod clock;
mod comment;
mod console;
mod demo;
mod doctor;
mod engine;
mod error;
mod file;
mod gates;
mod hygiene;
mod image;
mod infra;
mod lint;
mod package;
mod pipeline;
mod runner;
mod shell;
mod steps;
mod test;
mod tools;
#[cfg(test)]
mod workflows;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use console::{Console, Style};
use demo::Demo;
use doctor::NOT_BEGUN;
use engine::Engine;
use error::Error;
use infra::Infra;
use pipeline::{Asked, Run};
use runner::{RunError, Runner};
use workspace::Workspace;

/// The tasks of this workspace.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask doctor                   what is missing on this machine
  cargo xtask demo --once              the whole platform, its claims proved, and gone again
  cargo xtask test --engine process    all tests, without Docker
  cargo xtask test --only crates       the Rust crates alone, without Terraform or a registry
  cargo xtask infra local              the deployment applied, changed and destroyed, without AWS
  cargo xtask bench -- --help          what the benchmark program can be told

Environment:
  RDS_IAM_EMULATOR_ENGINE   auto, docker or process; as --engine
  RDS_IAM_CACHE_DIR         where tools and servers are kept [default: ~/.cache/rds-iam]
  RDS_IAM_TERRAFORM_MIRROR  a filesystem mirror to take Terraform's AWS provider from
  RDS_IAM_IMAGE_BASES       pinned or local: official base images, or ones made of Debian's packages
  RDS_IAM_ATTESTATIONS      OWNER/NAME on GitHub, whose attestation of an image a promotion asks for
  RDS_IAM_PREBUILT          set where xtask and its programs were built elsewhere: nothing is built
  RDS_IAM_CONFIRM           the environment that may be destroyed, where nobody can type its name
  RDS_IAM_OFFLINE           advisories: CI passes where they can't be fetched, and says so
  NO_COLOR                  no colours on a terminal either

Exit status:
  0         done
  1         something failed or is missing
  2         the command line is wrong
  3         nothing was begun: something is missing
  10 to 34  the stage that stopped the pipeline; the same command with --explain lists them
  130       Ctrl-C";

#[derive(Debug, Subcommand)]
enum Task {
    /// Start the platform on this machine and prove what it claims
    Demo(Demo),
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
        options: pipeline::Options,
    },
    /// Deploy an environment: gates, plan, images, apply, users, rollout
    #[command(display_order = 1)]
    Deploy {
        #[command(flatten)]
        environment: For,
        /// Leave the image as it is: no build, scan, push or rollout
        #[arg(long)]
        infrastructure_only: bool,
        /// Accept an image that the registry did not scan, by its status: off, UNSUPPORTED_IMAGE
        #[arg(long, value_name = "STATUSES", value_delimiter = ',')]
        accept_scan: Vec<String>,
        #[command(flatten)]
        options: pipeline::Options,
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
        telling: pipeline::Telling,
    },
    /// Roll the image out that served before this one
    #[command(display_order = 1)]
    Rollback {
        #[command(flatten)]
        environment: For,
        #[command(flatten)]
        options: pipeline::Options,
    },
    /// Destroy an environment, after its name was typed and a last snapshot taken
    #[command(display_order = 1)]
    Destroy {
        #[command(flatten)]
        environment: For,
        /// Take no last snapshot of the database
        #[arg(long)]
        no_snapshot: bool,
        #[command(flatten)]
        options: pipeline::Options,
    },
    #[command(flatten)]
    Stage(StageTask),
    /// Check the infrastructure, or live its whole life on this machine
    #[command(subcommand)]
    Infra(Infra),
    /// Check format, lints, documentation, dependencies and the repository's own rules
    Lint,
    /// Format the code
    Fmt {
        /// Change nothing; fail where something would change
        #[arg(long)]
        check: bool,
    },
    /// Measure release builds and save the results to target/bench/latest.json
    Bench {
        /// Passed on to the benchmark program
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        passthrough: Vec<String>,
    },
    /// List the tools that check and deploy, or install them at their pinned versions
    Tools(tools::Tools),
    /// Write a plan's table into the pull request's one comment about it
    #[command(hide = true)]
    PullRequestComment {
        /// The comment's text, as the stage plan wrote it
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// List everything this machine needs, present or missing, with the command that mends it
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Which environment.
#[derive(Debug, clap::Args)]
struct For {
    /// The environment: terraform/stacks/service/environments/ENV.tfvars; local and localprod are on this machine
    #[arg(long, value_name = "ENV", required_unless_present = "explain")]
    env: Option<String>,
}

/// A stage by itself.
#[derive(Debug, clap::Args)]
struct Alone {
    /// The environment; without one, where that is possible, as a pull request runs it
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    #[command(flatten)]
    telling: pipeline::Telling,
}

/// The stages, each by itself. What each does is `--explain`ed by what it declares.
#[derive(Debug, Subcommand)]
enum StageTask {
    /// Stage: check Terraform's format, and each module's and stack's validity and tests
    #[command(display_order = 3)]
    Validate(Alone),
    /// Stage: lint the Terraform code by tflint's rules and AWS's
    #[command(display_order = 3)]
    Tflint(Alone),
    /// Stage: check the Terraform code against checkov's security rules
    #[command(display_order = 3)]
    Checkov(Alone),
    /// Stage: plan the deployment, and have the rules judge the plan
    #[command(display_order = 3)]
    Plan(Alone),
    /// Stage: build the images of app and bootstrap, with SBOM and provenance
    #[command(display_order = 3)]
    DockerBuild(Alone),
    /// Stage: scan images, SBOMs and repository for HIGH and CRITICAL weaknesses, secrets and misconfiguration
    #[command(display_order = 3)]
    Trivy(Alone),
    /// Stage: apply the plan that was judged, and no other
    #[command(display_order = 3)]
    Apply(Alone),
    /// Stage: read what Terraform put out for the deployment that is there
    #[command(display_order = 3)]
    Outputs(Alone),
    /// Stage: write rds.conf, which bootstrap reads
    #[command(display_order = 3)]
    RdsConf(Alone),
    /// Stage: switch the proxy to end-to-end IAM where the deployment asks for it, and read that back
    #[command(display_order = 3)]
    ProxyAuth(Alone),
    /// Stage: push both images by digest, tagged with the commit, and wait for the registry's scan
    #[command(display_order = 3)]
    EcrPush(Alone),
    /// Stage: create or mend the database users, and verify them
    #[command(display_order = 3)]
    Bootstrap(Alone),
    /// Stage: point the image's parameter at the digest, refresh the machines, watch their health, or go back
    #[command(display_order = 3)]
    Rollout(Alone),
    /// Stage: ask the service over HTTP whether it is ready, and whom it logs in as
    #[command(display_order = 3)]
    Smoke(Alone),
    /// Stage: build the programs that the pipeline runs, and bootstrap's Lambda package
    #[command(display_order = 3)]
    Programs(Alone),
    /// Stage: stand up the account on this machine: AWS API, registry, and stacks/account in it
    #[command(display_order = 3)]
    Account(Alone),
}

impl StageTask {
    /// The stage's name, and what it was told.
    fn named(self) -> (&'static str, Alone) {
        match self {
            Self::Validate(alone) => ("validate", alone),
            Self::Tflint(alone) => ("tflint", alone),
            Self::Checkov(alone) => ("checkov", alone),
            Self::Plan(alone) => ("plan", alone),
            Self::DockerBuild(alone) => ("docker-build", alone),
            Self::Trivy(alone) => ("trivy", alone),
            Self::Apply(alone) => ("apply", alone),
            Self::Outputs(alone) => ("outputs", alone),
            Self::RdsConf(alone) => ("rds-conf", alone),
            Self::ProxyAuth(alone) => ("proxy-auth", alone),
            Self::EcrPush(alone) => ("ecr-push", alone),
            Self::Bootstrap(alone) => ("bootstrap", alone),
            Self::Rollout(alone) => ("rollout", alone),
            Self::Smoke(alone) => ("smoke", alone),
            Self::Programs(alone) => ("programs", alone),
            Self::Account(alone) => ("account", alone),
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console::from_env();
    let tell = move |text: &str| console.line(&console.paint(Style::Warning, &format!("\n{text}")));
    if let Err(error) = runner::watch_signals(tell) {
        // Ctrl-C then ends us at once, as it does every program.
        console.line(&format!("warning: signals can't be watched: {error}"));
    }
    match run(cli.task, console) {
        Ok(status) => status.into(),
        Err(Error::Run(RunError::Stopped { .. })) if runner::interrupted() => {
            pipeline::stopped(console).into()
        }
        Err(error) => {
            console.line(&console.paint(Style::Bad, &error.report()));
            match error {
                _ if runner::interrupted() => pipeline::stopped(console).into(),
                // As clap's own.
                Error::Usage { .. } => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Runs one task; the exit status, where it has told about a failure itself.
fn run(task: Task, console: Console) -> Result<u8, Error> {
    let runner = Runner::new(console);
    let workspace = Workspace::find(runner)?;
    let status = |status| if runner::interrupted() { pipeline::stopped(console) } else { status };
    let all_well = |well: bool| if well { 0 } else { status(1) };
    let ready = |task, engine| doctor::preflight(task, engine, &workspace, console, runner);
    let pipeline = |asked: Asked| pipeline::run(&asked, &workspace, console, runner);
    match task {
        Task::Demo(demo) => {
            let engine = demo.engine()?;
            if !demo.tasks().iter().all(|&task| ready(task, engine).is_some()) {
                return Ok(status(NOT_BEGUN));
            }
            demo::run(&demo, &workspace, console, runner).map(|()| 0)
        }
        Task::Test { engine, only } => {
            let task = only.map_or(doctor::Task::Test, |test::Only::Crates| doctor::Task::Crates);
            let Some(chosen) = ready(task, Engine::or_from_env(engine)?) else {
                return Ok(status(NOT_BEGUN));
            };
            console.line(&chosen.why);
            let steps = match only {
                None => test::steps(chosen.engine, &workspace, console, runner),
                Some(test::Only::Crates) => test::crates_steps(chosen.engine, &workspace, runner),
            };
            let well = steps::run(console, steps);
            if only.is_some() {
                console.line(&test::left_out_of_crates());
            }
            Ok(all_well(well))
        }
        Task::Ci { options } => pipeline(Asked::new(Run::Ci, None, options)),
        Task::Deploy { environment, infrastructure_only, accept_scan, options } => {
            let options = if infrastructure_only { options.without_the_image() } else { options };
            pipeline(Asked { accept_scan, ..Asked::new(Run::Deploy, environment.env, options) })
        }
        Task::Promote { from, to, digest, accept_skipped, reason, only, telling } => pipeline(Asked {
            promote_from: from,
            digest,
            accept_skipped,
            reason,
            ..Asked::new(Run::Promote, to, pipeline::Options::only(only, telling))
        }),
        Task::Rollback { environment, options } => {
            pipeline(Asked::new(Run::Rollback, environment.env, options))
        }
        Task::Destroy { environment, no_snapshot, options } => {
            pipeline(Asked { no_snapshot, ..Asked::new(Run::Destroy, environment.env, options) })
        }
        Task::Stage(stage) => {
            let (name, Alone { env, telling }) = stage.named();
            pipeline(Asked::stage(name, env, telling))
        }
        Task::PullRequestComment { file } => comment::run(&file, &workspace, runner).map(|()| 0),
        Task::Infra(task) => {
            // The others are given what they need, or are called by what has looked.
            let looks = matches!(task, Infra::Check | Infra::Local);
            if looks && ready(doctor::Task::Infra, Engine::from_env()?).is_none() {
                return Ok(status(NOT_BEGUN));
            }
            infra::run(task, &workspace, console, runner).map(all_well)
        }
        Task::Lint => Ok(all_well(steps::run(console, lint::steps(&workspace, console, runner)))),
        Task::Fmt { check } => lint::format(check, &workspace, runner).map(|_| 0),
        Task::Bench { passthrough } => bench::run(&passthrough, &workspace, console, runner).map(|()| 0),
        Task::Tools(task) => tools::run(&task, &workspace, console, runner).map(all_well),
        Task::Doctor { json } => Ok(all_well(doctor::run(json, &workspace, console, runner))),
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

    #[test]
    fn help_has_a_line_for_each_task() {
        insta::assert_snapshot!(Cli::command().render_help(), @"
        The tasks of this workspace

        Usage: cargo xtask <COMMAND>

        Commands:
          demo          Start the platform on this machine and prove what it claims
          ci            Run what a pull request must pass; nothing is written but build folders
          deploy        Deploy an environment: gates, plan, images, apply, users, rollout
          destroy       Destroy an environment, after its name was typed and a last snapshot taken
          promote       Move the image that runs in one environment to another, and roll it out there
          rollback      Roll the image out that served before this one
          test          Check and test everything, as CI does
          account       Stage: stand up the account on this machine: AWS API, registry, and stacks/account
                        in it
          apply         Stage: apply the plan that was judged, and no other
          bootstrap     Stage: create or mend the database users, and verify them
          checkov       Stage: check the Terraform code against checkov's security rules
          docker-build  Stage: build the images of app and bootstrap, with SBOM and provenance
          ecr-push      Stage: push both images by digest, tagged with the commit, and wait for the
                        registry's scan
          outputs       Stage: read what Terraform put out for the deployment that is there
          plan          Stage: plan the deployment, and have the rules judge the plan
          programs      Stage: build the programs that the pipeline runs, and bootstrap's Lambda package
          proxy-auth    Stage: switch the proxy to end-to-end IAM where the deployment asks for it, and read
                        that back
          rds-conf      Stage: write rds.conf, which bootstrap reads
          rollout       Stage: point the image's parameter at the digest, refresh the machines, watch their
                        health, or go back
          smoke         Stage: ask the service over HTTP whether it is ready, and whom it logs in as
          tflint        Stage: lint the Terraform code by tflint's rules and AWS's
          trivy         Stage: scan images, SBOMs and repository for HIGH and CRITICAL weaknesses, secrets
                        and misconfiguration
          validate      Stage: check Terraform's format, and each module's and stack's validity and tests
          infra         Check the infrastructure, or live its whole life on this machine
          lint          Check format, lints, documentation, dependencies and the repository's own rules
          fmt           Format the code
          bench         Measure release builds and save the results to target/bench/latest.json
          tools         List the tools that check and deploy, or install them at their pinned versions
          doctor        List everything this machine needs, present or missing, with the command that mends
                        it
          help          Print this message or the help of the given subcommand(s)

        Options:
          -h, --help  Print help

        Examples:
          cargo xtask doctor                   what is missing on this machine
          cargo xtask demo --once              the whole platform, its claims proved, and gone again
          cargo xtask test --engine process    all tests, without Docker
          cargo xtask test --only crates       the Rust crates alone, without Terraform or a registry
          cargo xtask infra local              the deployment applied, changed and destroyed, without AWS
          cargo xtask bench -- --help          what the benchmark program can be told

        Environment:
          RDS_IAM_EMULATOR_ENGINE   auto, docker or process; as --engine
          RDS_IAM_CACHE_DIR         where tools and servers are kept [default: ~/.cache/rds-iam]
          RDS_IAM_TERRAFORM_MIRROR  a filesystem mirror to take Terraform's AWS provider from
          RDS_IAM_IMAGE_BASES       pinned or local: official base images, or ones made of Debian's packages
          RDS_IAM_ATTESTATIONS      OWNER/NAME on GitHub, whose attestation of an image a promotion asks for
          RDS_IAM_PREBUILT          set where xtask and its programs were built elsewhere: nothing is built
          RDS_IAM_CONFIRM           the environment that may be destroyed, where nobody can type its name
          RDS_IAM_OFFLINE           advisories: CI passes where they can't be fetched, and says so
          NO_COLOR                  no colours on a terminal either

        Exit status:
          0         done
          1         something failed or is missing
          2         the command line is wrong
          3         nothing was begun: something is missing
          10 to 34  the stage that stopped the pipeline; the same command with --explain lists them
          130       Ctrl-C
        ");
    }
}
