//! The tasks a contributor runs, and that CI runs: `cargo xtask <task>`.
//!
//! It starts programs and links none of the workspace's crates, so that it compiles in seconds and
//! still works when they do not. What a task does is in the module of its name; all programs are
//! started by [`runner`], and tasks of several steps end with the table of [`steps`].

mod bench;
mod console;
mod demo;
mod doctor;
mod engine;
mod error;
mod hygiene;
mod infra;
mod lint;
mod package;
mod runner;
mod shell;
mod steps;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use console::{Console, Style};
use demo::Demo;
use engine::{ENGINE_VARIABLE, Engine};
use error::Error;
use infra::Infra;
use runner::Runner;
use workspace::Workspace;

/// The tasks of this workspace.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", after_help = EXAMPLES, disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask doctor                   what is missing on this machine
  cargo xtask demo --once              the whole platform, its claims proved, and gone again
  cargo xtask test --engine process    all tests, without Docker
  cargo xtask infra local              the deployment applied, changed and destroyed, without AWS
  cargo xtask bench -- --help          what the benchmark program can be told

Environment:
  RDS_IAM_EMULATOR_ENGINE   auto, docker or process; as --engine
  RDS_IAM_CACHE_DIR         where tools and servers are kept [default: ~/.cache/rds-iam]
  RDS_IAM_TERRAFORM_MIRROR  a filesystem mirror to take Terraform's AWS provider from
  NO_COLOR                  no colours on a terminal either

Exit status: 0 done, 1 something failed or is missing, 2 the command line is wrong.";

#[derive(Debug, Subcommand)]
enum Task {
    /// Start the platform on this machine and prove what it claims
    Demo(Demo),
    /// Check and test everything, as CI does
    Test {
        /// What runs the database servers
        #[arg(long, value_enum, env = ENGINE_VARIABLE, default_value = "auto", hide_env_values = true)]
        engine: Engine,
    },
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
    /// List everything this machine needs, present or missing, with the command that mends it
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console::from_env();
    match run(cli.task, console) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            console.line(&console.paint(Style::Bad, &error.report()));
            ExitCode::FAILURE
        }
    }
}

/// Runs one task; false when it has told about its failure itself.
fn run(task: Task, console: Console) -> Result<bool, Error> {
    let runner = Runner::new(console);
    let workspace = Workspace::find(runner)?;
    match task {
        Task::Demo(demo) => demo::run(&demo, &workspace, console, runner).map(|()| true),
        Task::Test { engine } => {
            let chosen = engine::choose(engine, runner)?;
            console.line(&chosen.why);
            Ok(steps::run(console, test::steps(chosen.engine, &workspace, console, runner)))
        }
        Task::Infra(task) => infra::run(task, &workspace, console, runner),
        Task::Lint => Ok(steps::run(console, lint::steps(&workspace, console, runner))),
        Task::Fmt { check } => lint::format(check, &workspace, runner).map(|_| true),
        Task::Bench { passthrough } => bench::run(&passthrough, &workspace, runner).map(|()| true),
        Task::Doctor { json } => Ok(doctor::run(json, &workspace, console, runner)),
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
        insta::assert_snapshot!(Cli::command().render_help(), @r"
        The tasks of this workspace

        Usage: cargo xtask <COMMAND>

        Commands:
          demo    Start the platform on this machine and prove what it claims
          test    Check and test everything, as CI does
          infra   Check the infrastructure, or live its whole life on this machine
          lint    Check format, lints, documentation, dependencies and the repository's own rules
          fmt     Format the code
          bench   Measure release builds and save the results to target/bench/latest.json
          doctor  List everything this machine needs, present or missing, with the command that mends it

        Options:
          -h, --help  Print help

        Examples:
          cargo xtask doctor                   what is missing on this machine
          cargo xtask demo --once              the whole platform, its claims proved, and gone again
          cargo xtask test --engine process    all tests, without Docker
          cargo xtask infra local              the deployment applied, changed and destroyed, without AWS
          cargo xtask bench -- --help          what the benchmark program can be told

        Environment:
          RDS_IAM_EMULATOR_ENGINE   auto, docker or process; as --engine
          RDS_IAM_CACHE_DIR         where tools and servers are kept [default: ~/.cache/rds-iam]
          RDS_IAM_TERRAFORM_MIRROR  a filesystem mirror to take Terraform's AWS provider from
          NO_COLOR                  no colours on a terminal either

        Exit status: 0 done, 1 something failed or is missing, 2 the command line is wrong.
        ");
    }
}
