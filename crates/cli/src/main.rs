//! The `rds-iam` command. Its README describes rules, files and exit statuses.

mod commands;

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::{
    assumptions, conf, delete_parameters, identity, image, invoke_bootstrap, parameters, plan, proxy_auth,
    rollout, snapshot, whoami,
};
use rds_iam_infra::OutputsError;
use rds_iam_infra::outputs::{self, Outputs};
use rds_iam_report::{ErrorReport, file};

/// Review a Terraform plan, hand on what Terraform put out, and do what Terraform does not.
#[derive(Debug, Parser)]
#[command(version, after_long_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Plan(plan::Arguments),
    Conf(conf::Arguments),
    Parameters(parameters::Arguments),
    DeleteParameters(delete_parameters::Arguments),
    #[command(name = "whoami")]
    WhoAmI(whoami::Arguments),
    ProxyAuth(proxy_auth::Arguments),
    InvokeBootstrap(invoke_bootstrap::Arguments),
    Image(image::Arguments),
    Rollout(rollout::Arguments),
    Identity(identity::Arguments),
    Snapshot(snapshot::Arguments),
    Assumptions(assumptions::Arguments),
}

const AFTER_HELP: &str = "\
Exit status:
  0   done; of a plan: nothing is refused
  1   failed; the message says why and what to do; running it again is safe
  2   something in the plan is refused; or bootstrap's check found drift
  3   the rollout failed, and the image before it serves again
  64  the command line is wrong; nothing was done
  130 a rollout was interrupted; the message says what is left

FILE may be - for standard input:
  terraform show -json plan.tfplan | rds-iam plan -
  terraform output -json | rds-iam conf --outputs - --write rds.conf

Environment:
  AWS_ENDPOINT_URL  where the AWS API is, if not on AWS (plan and conf do not
                    ask it); credentials come from the default chain (environment, profile, role)";

/// As in BSD's sysexits.h: the command was used wrongly.
const EX_USAGE: u8 = 64;

/// Something in the plan is refused.
const REFUSED: u8 = 2;

/// A check found that something differs from the declaration; as `rds-iam-bootstrap --check` has it.
const DRIFT: u8 = 2;

/// An image was returned from.
const RETURNED: u8 = 3;

/// As a shell has it for SIGINT: 128 and the signal's number.
const INTERRUPTED: u8 = 130;

type Failure = Box<dyn Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too. There is nobody left to tell if printing fails.
            drop(error.print());
            return if error.use_stderr() { EX_USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let done = match arguments.command {
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Conf(arguments) => conf::run(&arguments),
        Command::Parameters(arguments) => parameters::run(&arguments).await,
        Command::DeleteParameters(arguments) => delete_parameters::run(arguments).await,
        Command::WhoAmI(arguments) => whoami::run(arguments).await,
        Command::ProxyAuth(arguments) => proxy_auth::run(&arguments).await,
        Command::InvokeBootstrap(arguments) => invoke_bootstrap::run(&arguments).await,
        Command::Image(arguments) => image::run(arguments).await,
        Command::Rollout(arguments) => rollout::run(arguments).await,
        Command::Identity(arguments) => identity::run(&arguments).await,
        Command::Snapshot(arguments) => snapshot::run(arguments).await,
        Command::Assumptions(arguments) => assumptions::run(arguments).await,
    };
    done.unwrap_or_else(|error| {
        drop(write(std::io::stderr(), &format!("error: {}", ErrorReport(&*error))));
        ExitCode::FAILURE
    })
}

/// Writes a text and says whether it got there: a full disk or a closed pipe is no reason to panic.
fn write(mut to: impl Write, text: &str) -> std::io::Result<()> {
    writeln!(to, "{}", text.trim_end_matches('\n'))?;
    to.flush()
}

/// Writes a text to standard output.
fn print(text: &str) -> Result<(), Failure> {
    write(std::io::stdout(), text).map_err(|error| format!("cannot write to standard output: {error}").into())
}

/// Writes a file, in one step.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let text = format!("{}\n", text.trim_end_matches('\n'));
    file::replace(path, &text).map_err(|error| {
        let path = path.display();
        format!("cannot write {path}; its folder must exist and take files: {error}").into()
    })
}

/// Removes a file that an earlier run may have left.
fn forget(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove what an earlier run left in {}: {error}", path.display()).into())
        }
        _ => Ok(()),
    }
}

/// Whether a path means standard input.
fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn stdin(limit: u64) -> Result<String, Failure> {
    file::text(&mut std::io::stdin().lock(), limit)
        .map_err(|error| format!("cannot read standard input as UTF-8 text: {error}").into())
}

/// What `terraform output -json` printed.
#[derive(Debug, clap::Args)]
struct OutputsFile {
    /// What `terraform output -json` prints for the stack; - for standard input
    #[arg(long = "outputs", value_name = "FILE")]
    path: PathBuf,
}

impl OutputsFile {
    fn read(&self) -> Result<Outputs, Failure> {
        let read = |text: String| -> Result<Outputs, OutputsError> { Outputs::parse(&text) };
        if is_stdin(&self.path) {
            Ok(read(stdin(outputs::MAX_BYTES)?)?)
        } else {
            Ok(Outputs::read(&self.path)?)
        }
    }
}
