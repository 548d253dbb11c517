//! The `rds-iam-bootstrap` command: creates, updates and checks the database users that log in by IAM, from
//! `rds.conf` and a users file. The crate's README describes files, flags and exit statuses.

mod via;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use rds_iam_bootstrap::{BootstrapError, Declaration, Failure, Mode, Report, Settings, run};
use rds_iam_infra::RdsConf;
use rds_iam_report::{escape_control, escape_json, log};
use rds_iam_tunnel::Via;

/// Create, update and check the database users that log in by IAM.
///
/// Without --plan or --check, change what differs from the users file, and verify. A second run changes nothing and
/// reports that.
#[derive(Debug, Parser)]
#[command(version, after_long_help = AFTER_HELP)]
struct Arguments {
    /// The deployment: KEY="value" lines with RDS_ENDPOINT, REGION, MASTER_SECRET_NAME, DB_NAME,
    /// IAM_ADMIN_USER and, for PostgreSQL, ENGINE="postgresql"; with RDS_CA_BUNDLE, a file of authorities to trust
    /// instead of AWS's, and with RDS_DIAL, another address to connect to
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// The users, their privileges and the tables to create, in TOML. Given twice, the last one counts
    #[arg(long, value_name = "FILE", overrides_with = "users")]
    users: PathBuf,

    /// Connect through this instance, by Session Manager: i-…, tag:KEY=VALUE or asg:NAME (an Auto Scaling group). Of
    /// several instances, one that is online
    #[arg(long, value_name = "INSTANCE")]
    via: Option<Via>,

    /// Show the changes with their SQL, and make none
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
  1   failed; the message has the step and what to do; running this again is safe
  2   --check found drift
  3   PostgreSQL: the master user's login by password has ended, or a change would end it
      and was not made (--plan and --check: a run would refuse the changes)
  64  a file, a variable or the command line is wrong; nothing was changed

AWS credentials come from the default chain (environment, profile, role). --plan and
--check read as the IAM admin if that login works, and otherwise as the master user.

With --via, the caller also needs ssm:StartSession on the instance and on the document
AWS-StartPortForwardingSessionToRemoteHost, ssm:ResumeSession and ssm:TerminateSession
on its own sessions, and ssm:DescribeInstanceInformation for a tag or a group. Nothing
needs to be installed here. SIGINT, SIGTERM, SIGHUP and SIGQUIT stop the run and end the
session; a second signal does not wait for that.

Environment:
  RUST_LOG          filter of the log on standard error (default: warn, and the progress
                    of a long run). Targets of this program begin with rds_iam; all
                    others are held at info, because some log secrets below that.
  AWS_ENDPOINT_URL  URL of the AWS API, if not on AWS";

/// The exit status of a usage error, from BSD's sysexits.h.
const EX_USAGE: u8 = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too.
            let is_usage = error.use_stderr();
            let written = is_usage && wants_json(std::env::args_os()) && write_json(&usage_failure(&error));
            if !written {
                // If printing fails, there is nowhere to report it.
                drop(error.print());
            }
            return if is_usage { EX_USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    // An operator watches the progress of a long run; a program reads the document at its end. The token source's
    // warnings are for services, which retry: a run ends with the same error. So are the tunnel's of each connection.
    let logged = if arguments.json {
        "warn,rds_iam_token=error,rds_iam_tunnel::listen=error"
    } else {
        "warn,rds_iam_token=error,rds_iam_tunnel::listen=error,rds_iam_bootstrap::progress=info"
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
                    let message =
                        format!("error: the run finished, but its report could not be written: {error}");
                    // If this fails too, there is nowhere to report it.
                    drop(write(std::io::stderr(), &message));
                    ExitCode::FAILURE
                }
            }
        }
        Err(error) => {
            let failure = Failure::new(mode, &error);
            if !(arguments.json && write_json(&failure)) {
                drop(write(std::io::stderr(), &failure.to_string()));
            }
            error.exit_code().into()
        }
    }
}

/// Returns whether `--json` is among the arguments of a command line that could not be parsed.
fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    arguments.skip(1).take_while(|argument| argument != "--").any(|argument| argument == "--json")
}

/// Splits the parser's text into its first paragraph, which is the error, and the help that follows.
fn usage_failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let text = text.trim_end();
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let (error, hint) = text.split_once("\n\n").unwrap_or((text, ""));
    Failure::usage(error, hint)
}

async fn bootstrap(arguments: &Arguments, mode: Mode) -> Result<Report, BootstrapError> {
    let conf = RdsConf::read(&arguments.config)?;
    let declaration = Declaration::read(&arguments.users)?;
    let settings = Settings::load(conf, declaration, mode).await?;
    match &arguments.via {
        None => run(settings).await,
        Some(via) => via::run(via, settings).await,
    }
}

/// Writes a text without control characters, which servers and files may have in theirs, and flushes it. Returns the
/// error of a full disk or a closed pipe, which is no reason to panic.
fn write(mut to: impl Write, text: &str) -> std::io::Result<()> {
    let lines = text.split('\n').map(|line| escape_control(line) + "\n");
    to.write_all(lines.collect::<String>().as_bytes())?;
    to.flush()
}

/// Writes a failure as a JSON document, and returns whether that was possible.
fn write_json(failure: &Failure) -> bool {
    write(std::io::stdout(), &json(failure)).is_ok()
}

fn json(document: &impl serde::Serialize) -> String {
    escape_json(&serde_json::to_string_pretty(document).expect("reports have text keys only"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(arguments: &[&str]) -> String {
        let error = Arguments::try_parse_from([&["rds-iam-bootstrap"][..], arguments].concat()).unwrap_err();
        json(&usage_failure(&error))
    }

    #[test]
    fn a_usage_error_is_a_document_too() {
        insta::assert_snapshot!(refused(&["--json", "--users", "users.toml"]), @r#"
        {
          "mode": null,
          "outcome": "failed",
          "step": 1,
          "error": "the following required arguments were not provided:\n  --config <FILE>",
          "causes": [],
          "hint": "Usage: rds-iam-bootstrap --config <FILE> --users <FILE> --json\n\nFor more information, try '--help'.",
          "changes_made": 0
        }
        "#);
        let both = refused(&["--json", "--config", "a", "--users", "b", "--plan", "--check"]);
        assert!(both.contains("\"the argument '--plan' cannot be used with '--check'\""), "{both}");
    }

    #[test]
    fn a_text_steers_no_terminal_and_stays_json() {
        let written = |text: &str| {
            let mut to = Vec::new();
            write(&mut to, text).unwrap();
            String::from_utf8(to).unwrap()
        };
        assert_eq!(
            written("error\n  cause: \u{1b}[2J\u{9b}31mred\r"),
            "error\n  cause: \\u{1b}[2J\\u{9b}31mred\\r\n"
        );
        let cause = "\u{1b}[2J\u{9b}31m\u{7f}";
        let document = written(&json(&cause));
        assert!(!document.trim_end().contains(char::is_control), "{document:?}");
        assert_eq!(serde_json::from_str::<String>(&document).unwrap(), cause);
    }

    #[test]
    fn the_help_has_each_exit_status() {
        use rds_iam_bootstrap::{BootstrapError, LockOut, Step};

        let status = |line: &str| line.strip_prefix("  ")?.split_once(' ')?.0.parse::<u8>().ok();
        let shown: Vec<_> = AFTER_HELP.lines().filter_map(status).collect();
        assert_eq!(shown, [0, 1, 2, 3, EX_USAGE]);
        let lock_out = BootstrapError::LockOut { step: Step::Admin, rule: LockOut::Refused, made: 0 };
        assert_eq!(lock_out.exit_code(), 3);
    }

    #[test]
    fn json_is_requested_by_its_flag_alone() {
        let wants = |arguments: &[&str]| {
            wants_json(["rds-iam-bootstrap"].iter().chain(arguments).map(OsString::from))
        };
        assert!(wants(&["--unknown", "--json"]));
        assert!(!wants(&["--users", "--json.toml"]));
        assert!(!wants(&["--", "--json"]));
        assert!(!wants_json(["--json"].iter().map(OsString::from)), "the program's own name");
    }
}
