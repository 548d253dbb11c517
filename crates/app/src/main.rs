//! `rds-iam-app`: validates the settings and serves the message board. With `--check`, only validates the settings
//! and the AWS credentials.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use rds_iam_app::config::VARIABLES;
use rds_iam_app::{Config, Environment, RunError, check_credentials, logging, run};
use rds_iam_report::ErrorReport;
use rds_iam_token::Clock;

/// The number of threads for blocking work, which is only DNS resolution.
const MAX_BLOCKING_THREADS: usize = 4;

/// The exit status if the settings are wrong, or name a port that can't be opened.
const MISCONFIGURED: u8 = 2;

/// A message board on MySQL or PostgreSQL that logs in by IAM token.
#[derive(Parser)]
#[command(version, after_help = environment_help())]
struct Arguments {
    /// An rds.conf with the database
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Validate the settings and the AWS credentials, print the origin of each value, and exit
    #[arg(long)]
    check: bool,
}

fn environment_help() -> String {
    let mut help =
        String::from("Environment variables, which override the file, which overrides Parameter Store:\n");
    for variable in VARIABLES {
        help += &format!("  {}\n          {}\n", variable.name, variable.meaning);
    }
    help + "\nAWS credentials come from the AWS SDK's default chain: variables, profile, or role.\n\
            Exit status: 0 stopped by a signal, 1 could not serve, 2 wrong settings, a port in use among them."
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .build();
    match runtime {
        Ok(runtime) => {
            let status = runtime.block_on(start(arguments));
            // Do not wait for blocking work that has not ended, such as a file system that hangs.
            runtime.shutdown_background();
            status
        }
        Err(error) => failed(&error, 1),
    }
}

async fn start(arguments: Arguments) -> ExitCode {
    let now = Clock::system().now();
    let environment = Environment::from_process();
    let config = match Config::load(&environment, arguments.config.as_deref(), now).await {
        Ok(config) => config,
        Err(error) => return failed(&error, MISCONFIGURED),
    };
    let ended = if arguments.check {
        check(&config).await
    } else {
        if let Err(error) = logging::start(&config) {
            return failed(&error, 1);
        }
        run(config).await
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ (RunError::Credentials { .. } | RunError::Listen { .. })) => {
            failed(&error, MISCONFIGURED)
        }
        Err(error) => failed(&error, 1),
    }
}

async fn check(config: &Config) -> Result<(), RunError> {
    for origin in &config.origins {
        println!("{origin}");
    }
    for warning in &config.warnings {
        println!("warning: {warning}");
    }
    check_credentials(config).await?;
    println!("The settings are valid, and a token could be signed. No connection to the database was made.");
    Ok(())
}

/// Prints an error with its causes, at the only place that does.
fn failed(error: &dyn Error, status: u8) -> ExitCode {
    eprintln!("rds-iam-app: {}", ErrorReport(error));
    ExitCode::from(status)
}
