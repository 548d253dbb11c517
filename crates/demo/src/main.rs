//! Starts the whole platform on this machine, proves its claims, and serves until Ctrl-C.
//!
//! Run by `cargo xtask demo`, which builds the programs that it starts. A real MySQL or PostgreSQL server checks real
//! tokens; the AWS API is moto. Each claim is measured; a claim that does not hold makes the exit status 1.

mod app;
mod applied;
mod claims;
mod deployment;
mod engine;
mod http;
mod logins;
mod platform;
mod program;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_account::registry_program;
use rds_iam_emulator_server::{MySql, Postgres, PostgresVersion, Runtime, clients};
use rds_iam_report::{ErrorReport, file};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::claims::Claims;
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
    /// The runtime of the database server: auto, docker or process [default: that of `RDS_IAM_EMULATOR_ENGINE`, or auto]
    #[arg(long, alias = "engine", global = true)]
    runtime: Option<Runtime>,
    /// The engine of the database server
    #[arg(long, value_enum, default_value_t)]
    database: Database,
    /// Exit after the checks, instead of running until Ctrl-C
    #[arg(long)]
    once: bool,
    /// First apply the Terraform stack with PROGRAM, and use its outputs
    #[arg(long, value_name = "PROGRAM")]
    deploy: Option<PathBuf>,
    /// Also write the results to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Arguments {
    /// Returns the runtime of the command line, or else that of the environment.
    fn runtime(&self) -> anyhow::Result<Runtime> {
        Ok(self.runtime.map_or_else(Runtime::from_env, Ok)?)
    }
}

/// A database server of the demo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Database {
    #[default]
    Mysql,
    #[value(alias = "postgresql")]
    Postgres,
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
    let ended = match (&arguments.bin_dir, arguments.database) {
        (None, _) => until(&mut interrupted, prepare(&arguments)).await.map(|done| done.map(|()| true)),
        (Some(programs), Database::Mysql) => {
            serve::<sqlx::MySql>(&arguments, programs, &mut interrupted).await
        }
        (Some(programs), Database::Postgres) => {
            serve::<sqlx::Postgres>(&arguments, programs, &mut interrupted).await
        }
    };
    match ended {
        None => {
            println!("\ninterrupted: everything that was started has been ended and removed");
            INTERRUPTED.into()
        }
        Some(Ok(true)) => ExitCode::SUCCESS,
        Some(Ok(false)) => ExitCode::FAILURE,
        Some(Err(error)) => {
            eprintln!("error: {}", ErrorReport(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Runs `work` to its end, or returns `None` if `interrupted` ends before.
async fn until<T>(
    interrupted: &mut (impl Future<Output = ()> + Unpin),
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        ended = work => Some(ended),
        () = interrupted => None,
    }
}

/// Starts everything, proves the claims, and serves until Ctrl-C, unless the table is enough. Returns whether all claims
/// hold; `None` if Ctrl-C came before.
async fn serve<E: Claims>(
    arguments: &Arguments,
    programs: &Path,
    interrupted: &mut (impl Future<Output = ()> + Unpin),
) -> Option<anyhow::Result<bool>> {
    let (platform, all_hold) = match until(interrupted, prove::<E>(arguments, programs)).await? {
        Ok(proved) => proved,
        Err(error) => return Some(Err(error)),
    };
    if !arguments.once {
        println!(
            "\nOpen {} in a browser. For machines: {1}/readyz and {1}/metrics. Ctrl-C ends everything.",
            platform.app.url, platform.app.management
        );
        interrupted.await;
        println!("\nending");
    }
    platform.end().await;
    Some(Ok(all_hold))
}

/// Fetches and builds the servers of both engines: PostgreSQL in its oldest and its newest version, which tests start.
async fn prepare(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = arguments.runtime()?;
    println!("preparing MySQL, PostgreSQL, the AWS API and their dependencies; the first run fetches them");
    let (mysql, aws) = (MySql::builder().runtime(runtime).start().await?, AwsApi::start().await?);
    println!("ready: {}; the AWS API answers at {}", mysql.describe(), aws.url());
    for version in [PostgresVersion::V15, PostgresVersion::NEWEST] {
        let postgres = Postgres::builder().runtime(runtime).version(version).start().await?;
        println!("ready: {}", postgres.describe());
    }
    println!("ready: {}", clients::psql().await?.display());
    if let Some(Task::Prepare { registry: true }) = arguments.task {
        println!("ready: the registry {}", registry_program().await?.display());
    }
    Ok(())
}

/// Starts the platform and checks its claims. Returns the platform, and whether all claims hold.
async fn prove<E: Claims>(arguments: &Arguments, programs: &Path) -> anyhow::Result<(Platform<E>, bool)> {
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
    let options = Options { runtime: arguments.runtime()?, programs, deploy: arguments.deploy.as_deref() };
    let mut platform = Platform::<E>::start(&options).await?;
    let mut table = Table::new(&platform);
    claims::prove(&mut platform, &mut table).await;
    println!("\n{table}");
    if let Some(file) = &arguments.json {
        table.write_json(file)?;
        println!("written to {}", file.display());
    }
    Ok((platform, table.all_hold()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
        for runtime in ["--runtime", "--engine"] {
            let prepare = ["rds-iam-demo", "prepare", "--registry", runtime, "process"];
            assert!(Arguments::try_parse_from(prepare).is_ok());
        }
        assert!(Arguments::try_parse_from(["rds-iam-demo"]).is_err(), "the programs are needed");
        let demo = ["rds-iam-demo", "--bin-dir", "debug"];
        let database = |more: &[&str]| {
            Arguments::try_parse_from(demo.iter().chain(more)).map(|arguments| arguments.database).ok()
        };
        assert_eq!(database(&[]), Some(Database::Mysql));
        for name in ["postgres", "postgresql"] {
            assert_eq!(database(&["--database", name]), Some(Database::Postgres));
        }
        assert_eq!(database(&["--database", "sqlite"]), None);
    }
}
