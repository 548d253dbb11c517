//! The emulator as a program, for tests in other languages and for the pipeline. Without a subcommand it starts a database
//! server and the AWS API, with `aws` only the AWS API; both print one line of JSON with all addresses, and end when
//! standard input closes. With `account` it runs a whole emulated account in a folder until SIGTERM. See
//! `crates/emulator/README.md`.

use std::error::Error;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use rds_iam_emulator_account::{Account, AwsApi, run_shim};
use rds_iam_emulator_server::{Builder, Kind, MySql, Postgres, fixtures};
use rds_iam_report::{ErrorReport, log};
use rds_iam_token::DbUser;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, stdin};
use tokio::signal::unix::{SignalKind, signal};

/// Starts a database server that checks IAM tokens, and the AWS API, and prints one line of JSON that says
/// where everything is. Ends both when its standard input closes, or at Ctrl-C.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// The engine of the server
    #[arg(long, value_enum, default_value_t = Engine::Mysql)]
    engine: Engine,
    /// The database to create
    #[arg(long, value_name = "NAME", default_value = "app")]
    database: String,
    /// A user to create, who logs in by IAM, and reads and writes all tables that the master user creates
    #[arg(long, value_name = "NAME")]
    user: Option<DbUser>,
    #[command(subcommand)]
    only: Option<Only>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Engine {
    Mysql,
    #[value(alias = "postgres")]
    Postgresql,
}

#[derive(Subcommand)]
enum Only {
    /// Starts the AWS API alone
    Aws,
    /// Starts the AWS API, with a real registry, databases and machines behind what Terraform creates in it.
    /// Writes its addresses to DIR/account.json, and ends at Ctrl-C or SIGTERM
    Account {
        /// The folder of the account: created if needed, and cleared at the end except for logs
        #[arg(long)]
        dir: PathBuf,
    },
    /// Called by the shims on the machines of an account
    #[command(hide = true)]
    Shim {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run(Arguments::parse()).await else { return ExitCode::SUCCESS };
    eprintln!("rds-iam-emulator: {}", ErrorReport(&*error));
    ExitCode::FAILURE
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    // Dropping the servers ends them, so they are kept until then.
    match arguments.only {
        None => {
            let (database, user) = (arguments.database.as_str(), arguments.user.as_ref());
            match arguments.engine {
                Engine::Mysql => serve(MySql::builder(), "mysql", database, user).await?,
                Engine::Postgresql => serve(Postgres::builder(), "postgresql", database, user).await?,
            }
        }
        Some(Only::Aws) => {
            let aws = AwsApi::start().await?;
            wait(&json!({ "aws_endpoint_url": aws.url(), "credentials_file": aws.credentials_file() }))
                .await?;
        }
        Some(Only::Account { dir }) => account(&dir).await?,
        Some(Only::Shim { words }) => run_shim(&words).await?,
    }
    // The runtime would wait for the thread that reads standard input.
    std::process::exit(0)
}

/// Runs a database server and the AWS API until the emulator has to end.
async fn serve<E: Kind>(
    builder: Builder<E>,
    engine: &str,
    database: &str,
    user: Option<&DbUser>,
) -> Result<(), Box<dyn Error>> {
    let server = builder.database(database).start().await?;
    if let Some(user) = user {
        let privileges = format!("SELECT, INSERT, UPDATE, DELETE ON {database}.*");
        fixtures::create_user(&server, user.as_str(), &privileges).await?;
    }
    let aws = AwsApi::start_in(server.region().clone()).await?;

    // Secrets are written to a file that only its owner may read and that is removed with the server, and to
    // Secrets Manager, as on AWS.
    let ca_file = server.ca_path();
    let credentials_file = ca_file.with_file_name("credentials");
    server.write_credentials_file(&credentials_file)?;
    let master = server.master();
    let secret = json!({ "username": master.username(), "password": master.password() });
    let master_secret_arn = aws.put_secret("rds-iam/master", &secret.to_string()).await?;

    let started = json!({
        "engine": engine,
        "description": server.describe(),
        "endpoint": server.endpoint().to_string(),
        "dial": server.dial().to_string(),
        "region": server.region().as_str(),
        "resource_id": server.resource_id(),
        "database": database,
        "user": user.map(DbUser::as_str),
        "ca_file": ca_file,
        "credentials_file": credentials_file,
        "login_log": server.login_log(),
        "master_secret_arn": master_secret_arn,
        "aws_endpoint_url": aws.url(),
    });
    wait(&started).await
}

/// Runs an account until SIGTERM or Ctrl-C.
async fn account(dir: &Path) -> Result<(), Box<dyn Error>> {
    log::to_stderr(log::Format::Text, "rds_iam_emulator=info")?;
    let program = std::env::current_exe()?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let signalled = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    };
    tokio::pin!(signalled);
    let account = tokio::select! {
        account = Account::start(dir, &program) => account?,
        () = &mut signalled => return Ok(()),
    };
    Ok(account.run(signalled).await?)
}

/// Prints the addresses, and returns when the emulator has to end.
async fn wait(started: &Value) -> Result<(), Box<dyn Error>> {
    writeln!(stdout(), "{started}")?;
    let (mut stdin, mut input) = (stdin(), Vec::new());
    tokio::select! {
        read = stdin.read_to_end(&mut input) => { read?; }
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}
