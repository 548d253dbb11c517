//! Starts the whole platform on this machine, proves its claims, and serves until Ctrl-C.
//!
//! Run by `cargo xtask demo`, which builds the programs that it starts. A real MySQL server checks real
//! tokens; the AWS API is moto. Each claim is measured; a claim that does not hold makes the exit status 1.

mod app;
mod applied;
mod claims;
mod deployment;
mod http;
mod logins;
mod platform;
mod program;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_account::registry_program;
use rds_iam_emulator_server::{MySql, Runtime};
use rds_iam_report::{ErrorReport, file};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::deployment::Options;
use crate::platform::Platform;
use crate::table::Table;

/// The exit status after Ctrl-C before the end, by the shells' convention: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

/// Starts the platform and proves its claims. `cargo xtask demo` calls it.
#[derive(Parser)]
#[command(subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    /// The folder of rds-iam-app and rds-iam-bootstrap
    #[arg(long, value_name = "DIR", required = true)]
    bin_dir: Option<PathBuf>,
    /// The runtime of the database server: auto, docker or process
    #[arg(long = "engine", value_name = "RUNTIME", default_value = "auto", global = true)]
    runtime: Runtime,
    /// Exit once the table is complete, instead of serving until Ctrl-C
    #[arg(long)]
    once: bool,
    /// Apply the Terraform stack with PROGRAM first, and run on its resources
    #[arg(long, value_name = "PROGRAM")]
    deploy: Option<PathBuf>,
    /// Also write the table to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Task {
    /// Only fetch and build the servers, ready for tests
    Prepare {
        /// Also fetch the registry of the account on this machine
        #[arg(long)]
        registry: bool,
    },
    /// Become another program that ends with this one's parent
    #[command(hide = true)]
    Launch { program: PathBuf },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Task::Launch { program }) = &arguments.task {
        eprintln!("error: {:#}", program::become_program(program));
        return ExitCode::FAILURE;
    }
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("off,rds_iam_emulator=info,rds_iam_demo=info"))
        .with_target(false)
        .without_time()
        .with_level(false)
        .init();
    let interrupted = async {
        let terminated = async {
            match signal(SignalKind::terminate()) {
                Ok(mut signal) => signal.recv().await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            // If Ctrl-C can't be handled, it ends the process.
            Ok(()) = tokio::signal::ctrl_c() => {}
            Some(()) = terminated => {}
            else => std::future::pending().await,
        }
    };
    tokio::pin!(interrupted);
    let ended = tokio::select! {
        ended = run(&arguments) => ended,
        () = &mut interrupted => {
            println!("\ninterrupted: everything that was started has been ended and removed");
            return INTERRUPTED.into();
        }
    };
    match ended {
        Ok(Some((platform, all_hold))) => {
            if !arguments.once {
                println!(
                    "\nOpen {} in a browser. For machines: {1}/readyz and {1}/metrics. Ctrl-C ends everything.",
                    platform.app.url, platform.app.management
                );
                interrupted.await;
                println!("\nending");
            }
            platform.end().await;
            if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", ErrorReport(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<Option<(Platform, bool)>> {
    let Some(programs) = &arguments.bin_dir else {
        println!("preparing MySQL, the AWS API and their dependencies; the first run fetches them");
        let (mysql, aws) =
            (MySql::builder().runtime(arguments.runtime).start().await?, AwsApi::start().await?);
        println!("ready: {}; the AWS API answers at {}", mysql.describe(), aws.url());
        if let Some(Task::Prepare { registry: true }) = arguments.task {
            println!("ready: the registry {}", registry_program().await?.display());
        }
        return Ok(None);
    };
    if let Some(file) = &arguments.json {
        // Fails now rather than after a minute.
        file::check_writable(file)
            .and_then(|()| file::remove_old(file))
            .with_context(|| format!("writing {}", file.display()))?;
    }
    for program in platform::PROGRAMS.iter().chain(arguments.deploy.as_ref().map(|_| &applied::INFRA)) {
        let program = programs.join(program);
        anyhow::ensure!(
            program.is_file(),
            "{} is not there: `cargo xtask demo` builds it",
            program.display()
        );
    }
    let options = Options { runtime: arguments.runtime, programs, deploy: arguments.deploy.as_deref() };
    let mut platform = Platform::start(&options).await?;
    let mut table = Table::new(&platform);
    claims::prove(&mut platform, &mut table).await;
    println!("\n{table}");
    if let Some(file) = &arguments.json {
        table.write_json(file)?;
        println!("written to {}", file.display());
    }
    Ok(Some((platform, table.all_hold())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
        let prepare = ["rds-iam-demo", "prepare", "--registry", "--engine", "process"];
        assert!(Arguments::try_parse_from(prepare).is_ok());
        assert!(Arguments::try_parse_from(["rds-iam-demo"]).is_err(), "the programs are needed");
    }
}
