//! The `rds-iam-bootstrap` command. Its README describes files, flags and exit statuses.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use rds_iam_bootstrap::{BootstrapError, Declaration, Failure, Mode, Report, Settings, run};
use rds_iam_infra::RdsConf;
use rds_iam_report::log;

/// Create, mend and check the database users that log in by IAM.
///
/// Without --plan or --check it makes the database as declared and verifies it; a second run changes
/// nothing and says so.
#[derive(Debug, Parser)]
#[command(version, after_long_help = AFTER_HELP)]
struct Arguments {
    /// The deployment: KEY="value" lines with RDS_ENDPOINT, REGION, MASTER_SECRET_NAME, DB_NAME and
    /// IAM_ADMIN_USER
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// The users, their privileges and the tables to create, in TOML. Given twice, the last one counts
    #[arg(long, value_name = "FILE", overrides_with = "users")]
    users: PathBuf,

    /// Show what would be done, with its SQL, and change nothing
    #[arg(long, conflicts_with = "check")]
    plan: bool,

    /// Like --plan, and exit with 2 if there is anything to do
    #[arg(long)]
    check: bool,

    /// Write one JSON document to standard output, errors included
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Exit status:
  0   done, or nothing to do (with --plan: the plan was made)
  1   failed; the message says at which step and what to do; running it again is safe
  2   --check found drift
  64  a file or the command line is wrong; nothing was changed

AWS credentials come from the default chain (environment, profile, role). --plan and
--check read as the IAM admin where that login works, and otherwise as the master user.

Environment:
  RUST_LOG          what to log to standard error (default: warn, and
                    how far a long run has come). Targets of this program
                    begin with rds_iam; all others are held at info, for some of them log
                    secrets below that.
  AWS_ENDPOINT_URL  where the AWS API is, if not on AWS";

/// As in BSD's sysexits.h: the command was used wrongly.
const EX_USAGE: u8 = 64;

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
    // A person sees how far a long run has come; a program reads the document at its end. The token source's warnings
    // are for services, which try again: a run ends with the same error.
    let logged = if arguments.json {
        "warn,rds_iam_token=error"
    } else {
        "warn,rds_iam_token=error,rds_iam_bootstrap::progress=info"
    };
    log::to_stderr(log::Format::Text, logged).expect("the process logs nowhere else");
    let mode = match (arguments.plan, arguments.check) {
        (true, _) => Mode::Plan,
        (_, true) => Mode::Check,
        _ => Mode::Apply,
    };
    match bootstrap(&arguments, mode).await {
        Ok(report) => {
            let text = if arguments.json { json(&report) } else { report.to_string() };
            match write(std::io::stdout(), &text) {
                Ok(()) => report.exit_code().into(),
                Err(error) => {
                    let told = "the run came to its end, but its report could not be written";
                    // There may be nobody left to tell.
                    drop(write(std::io::stderr(), &format!("error: {told}: {error}")));
                    ExitCode::FAILURE
                }
            }
        }
        Err(error) => {
            let failure = Failure::new(mode, &error);
            let written = arguments.json && write(std::io::stdout(), &json(&failure)).is_ok();
            if !written {
                drop(write(std::io::stderr(), &failure.to_string()));
            }
            error.exit_code().into()
        }
    }
}

async fn bootstrap(arguments: &Arguments, mode: Mode) -> Result<Report, BootstrapError> {
    let conf = RdsConf::read(&arguments.config)?;
    let declaration = Declaration::read(&arguments.users)?;
    run(Settings::load(conf, declaration, mode).await).await
}

/// Writes a text and says whether it got there: a full disk or a closed pipe is no reason to panic.
fn write(mut to: impl Write, text: &str) -> std::io::Result<()> {
    writeln!(to, "{text}")?;
    to.flush()
}

fn json(document: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(document).expect("reports have text keys only")
}
