//! The `rds-iam` command: parses the arguments, runs a subcommand, and prints its error. Also the functions for
//! output, record files and standard input that the subcommands share. The crate's README describes commands,
//! files and exit statuses.

mod commands;
mod credentials;
mod listener;
mod profile;
mod progress;
#[cfg(test)]
mod readme;
mod signals;
mod via;

use std::error::Error;
use std::fmt::{Display, Formatter};
use std::fs::Metadata;
use std::io::Write;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use commands::{
    assumptions, completions, conf, connect, delete_parameters, doctor, gateway, identity, image,
    invoke_bootstrap, man, parameters, plan, policy, proxy_auth, rollout, roots, shell, snapshot, token,
    tunnel, wait, whoami,
};
use rds_iam_infra::OutputsError;
use rds_iam_infra::outputs::{self, Outputs};
use rds_iam_report::{ErrorReport, escape_control, escape_json, file};
use serde::Serialize;
use tokio::runtime::Builder;

/// Sign IAM tokens for database logins, connect without a password, review Terraform plans, and run the AWS operations
/// that Terraform does not.
#[derive(Debug, Parser)]
#[command(name = NAME, version, after_long_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Token(token::Arguments),
    Connect(connect::Arguments),
    Gateway(gateway::Arguments),
    Tunnel(tunnel::Arguments),
    Wait(wait::Arguments),
    Shell(shell::Arguments),
    Doctor(doctor::Arguments),
    Roots(roots::Arguments),
    Policy(policy::Arguments),
    Plan(plan::Arguments),
    Conf(conf::Arguments),
    Parameters(parameters::Arguments),
    DeleteParameters(delete_parameters::Arguments),
    #[command(name = "whoami")]
    WhoAmI(whoami::Arguments),
    ProxyAuth(proxy_auth::Arguments),
    InvokeBootstrap(invoke_bootstrap::Arguments),
    EcrLogin(commands::ecr_login::Arguments),
    Image(image::Arguments),
    Rollout(rollout::Arguments),
    Identity(identity::Arguments),
    Snapshot(snapshot::Arguments),
    Assumptions(assumptions::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// The name of the program.
const NAME: &str = "rds-iam";

const AFTER_HELP: &str = "\
Exit status:
  0   success; for a plan: nothing is refused
  1   error; the message names the cause and the fix, and a second run is safe
  2   the plan is refused, bootstrap's check found drift, or a bundle of roots differs
  3   the rollout failed, and the previous image is serving again
  10-21 `doctor`: the step that failed; its help has the list
  64  invalid arguments, a wrong gateway's file, or a command for a part that the deployment does
      not have; nothing was done
  126 `connect`: PROGRAM can't be executed
  127 `connect`: PROGRAM is not found
  128+n `connect`: signal n ended PROGRAM; otherwise, its status is PROGRAM's
  130 a rollout was interrupted; the message states what continues

The FILE of plan and of --outputs may be - for standard input:
  terraform show -json plan.tfplan | rds-iam plan -
  terraform output -json | rds-iam conf --outputs - --write rds.conf

Environment:
  AWS_ENDPOINT_URL  URL that replaces AWS's endpoints
  NO_COLOR          no colours on a terminal in help, usage errors and the log of gateway; other
                    output has none

Credentials come from the AWS SDK's default chain: environment, profile, role. Commands that use
them have --profile and --assume-role. plan, conf, roots and policy use none.";

/// The status of invalid arguments, from BSD's sysexits.h.
const EX_USAGE: u8 = 64;

/// The status of a refused plan.
const REFUSED: u8 = 2;

/// The status of a check that found differences from the declaration; the same as of `rds-iam-bootstrap --check`.
const DRIFT: u8 = 2;

/// The status of a rollout that was rolled back.
const ROLLED_BACK: u8 = 3;

/// The status of an interruption: 128 plus the number of SIGINT, as in a shell.
const INTERRUPTED: u8 = 130;

type Failure = Box<dyn Error>;

/// Arguments that only a command can judge, not their parser. The status is that of invalid arguments.
#[derive(Debug)]
struct Usage(String);

impl Usage {
    fn failure(message: impl Into<String>) -> Failure {
        Self(message.into()).into()
    }
}

impl Error for Usage {}

impl Display for Usage {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn main() -> ExitCode {
    if commands::credential_helper::is_requested(std::env::args_os().next()) {
        return commands::credential_helper::run();
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are errors too. A failure to print them can't be reported.
            drop(error.print());
            return if error.use_stderr() { EX_USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    // These serve many clients; everything else starts faster without more threads.
    let serves = matches!(arguments.command, Command::Connect(_) | Command::Gateway(_) | Command::Tunnel(_));
    let mut runtime = if serves { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    let result = match runtime.enable_all().build() {
        Ok(runtime) => {
            let result = runtime.block_on(run(arguments.command));
            // A name that is being resolved, in a thread, does not delay the end for long.
            runtime.shutdown_timeout(Duration::from_secs(1));
            result
        }
        Err(error) => Err(error.into()),
    };
    result.unwrap_or_else(|error| {
        // The list of wrong outputs is this project's own, and has lines.
        let is_list = error.is::<OutputsError>();
        let text = if is_list { ErrorReport(&*error).to_string() } else { one_line(&*error) };
        drop(write(std::io::stderr(), &format!("error: {text}")));
        if error.is::<Usage>() { EX_USAGE.into() } else { ExitCode::FAILURE }
    })
}

async fn run(command: Command) -> Result<ExitCode, Failure> {
    // These have a log of their own.
    if !matches!(command, Command::Connect(_) | Command::Gateway(_) | Command::Tunnel(_) | Command::Shell(_))
    {
        progress::start();
    }
    match command {
        Command::Token(arguments) => token::run(arguments).await,
        Command::Connect(arguments) => connect::run(arguments).await,
        Command::Gateway(arguments) => gateway::run(arguments).await,
        Command::Tunnel(arguments) => tunnel::run(arguments).await,
        Command::Wait(arguments) => wait::run(arguments).await,
        Command::Shell(arguments) => shell::run(arguments).await,
        Command::Doctor(arguments) => doctor::run(arguments).await,
        Command::Roots(arguments) => roots::run(&arguments),
        Command::Policy(arguments) => policy::run(arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Conf(arguments) => conf::run(&arguments),
        Command::Parameters(arguments) => parameters::run(&arguments).await,
        Command::DeleteParameters(arguments) => delete_parameters::run(arguments).await,
        Command::WhoAmI(arguments) => whoami::run(arguments).await,
        Command::ProxyAuth(arguments) => proxy_auth::run(&arguments).await,
        Command::InvokeBootstrap(arguments) => invoke_bootstrap::run(&arguments).await,
        Command::EcrLogin(arguments) => commands::ecr_login::run(arguments).await,
        Command::Image(arguments) => image::run(arguments).await,
        Command::Rollout(arguments) => rollout::run(arguments).await,
        Command::Identity(arguments) => identity::run(&arguments).await,
        Command::Snapshot(arguments) => snapshot::run(arguments).await,
        Command::Assumptions(arguments) => assumptions::run(arguments).await,
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

/// Reports a command for a part that the deployment does not have. It has done nothing.
fn without(part: &str) -> ExitCode {
    let message = format!(
        "error: this deployment has no {part}, so there is nothing to do: check that the outputs are of the intended \
         environment"
    );
    drop(write(std::io::stderr(), &message));
    EX_USAGE.into()
}

/// Returns an error with its causes in one line. Texts of AWS, and of programs and servers that credentials come from,
/// are among them: they must not begin a line, which a CI system could take for a command of this program.
fn one_line(error: &dyn Error) -> String {
    let text = ErrorReport(error).to_string();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Writes a text without control characters and returns any error: a full disk or a closed pipe is no reason to panic.
fn write(mut to: impl Write, text: &str) -> std::io::Result<()> {
    let lines = text.trim_end_matches('\n').split('\n').map(|line| escape_control(line) + "\n");
    to.write_all(lines.collect::<String>().as_bytes())?;
    to.flush()
}

/// Writes a text to standard output.
fn print(text: &str) -> Result<(), Failure> {
    write(std::io::stdout(), text).map_err(|error| format!("cannot write to standard output: {error}").into())
}

/// Writes generated text, which may have tabs, to standard output.
fn print_generated(text: &[u8]) -> Result<(), Failure> {
    let mut to = std::io::stdout();
    let written = to.write_all(text).and_then(|()| to.flush());
    written.map_err(|error| format!("cannot write to standard output: {error}").into())
}

/// Returns a value as JSON that can be printed.
fn json(value: &impl Serialize) -> Result<String, Failure> {
    Ok(escape_json(&serde_json::to_string_pretty(value)?))
}

/// Writes the result of an operation that changed something to standard output. If that fails, the error has the
/// change, in one line.
fn print_done(text: &str, done: &str) -> Result<(), Failure> {
    print(text).map_err(|error| format!("{error}. The operation is complete: {done}").into())
}

/// Writes a file atomically.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let text = format!("{}\n", text.trim_end_matches('\n'));
    file::replace(path, &text).map_err(|error| not_written(path, &error))
}

fn not_written(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    format!("cannot write {path}; its folder must exist and be writable: {error}").into()
}

/// Refuses an output file before anything changes: one that is an input too, by any of its names, one that can't be
/// written, and `-`, which is standard input.
fn check_output(path: &Path, inputs: &[&Path]) -> Result<(), Failure> {
    if is_stdin(path) {
        return Err("- is standard input, not an output: name a file, or /dev/stdout".into());
    }
    let output = file_id(path);
    if inputs.iter().any(|input| output.is_some() && file_id(input) == output) {
        return Err(format!("{} is an input and would be replaced: name another file", path.display()).into());
    }
    file::check_writable(path).map_err(|error| not_written(path, &error))
}

/// Returns the device and inode of a file, which are the same through links. Devices and pipes are not replaced.
fn file_id(path: &Path) -> Option<(u64, u64)> {
    let path = if is_stdin(path) { Path::new("/dev/stdin") } else { path };
    std::fs::metadata(path).ok().filter(Metadata::is_file).map(|found| (found.dev(), found.ino()))
}

/// Checks the file of a record, and removes that of an earlier run, so that it is not mistaken for this run's.
fn prepare_record(path: &Path, inputs: &[&Path]) -> Result<(), Failure> {
    check_output(path, inputs)?;
    file::remove_old(path).map_err(|error| {
        format!("cannot remove the file {} of an earlier run: {error}", path.display()).into()
    })
}

/// Returns whether a path is `-`, for standard input.
fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn stdin(limit: u64) -> Result<String, Failure> {
    file::text(&mut std::io::stdin().lock(), limit)
        .map_err(|error| format!("cannot read standard input as UTF-8 text: {error}").into())
}

/// The file with the outputs of Terraform.
#[derive(Debug, clap::Args)]
struct OutputsFile {
    /// Outputs of the stack, from `terraform output -json`; - for standard input
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
