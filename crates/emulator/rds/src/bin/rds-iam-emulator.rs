//! The emulator as a program, for tests in other languages: starts a MySQL server and the AWS API
//! endpoint, prints one line of JSON that says where everything is, and ends both when its standard
//! input closes. See `crates/emulator/README.md`.

use std::error::Error;
use std::io::{Write, stdout};
use std::process::ExitCode;

use rds_iam_emulator::{AwsApi, MySql};
use serde_json::json;
use tokio::io::{AsyncReadExt, stdin};

const USAGE: &str = "\
Usage: rds-iam-emulator [DATABASE]   (default: app)

Starts a MySQL server that checks IAM tokens, and the AWS API, and prints one line of JSON that says where
everything is. Ends both when its standard input closes, or at Ctrl-C. See crates/emulator/README.md.";

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    eprintln!("rds-iam-emulator: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}

async fn run() -> Result<(), Box<dyn Error>> {
    let database = match std::env::args().nth(1) {
        Some(flag) if flag.starts_with('-') => {
            println!("{USAGE}");
            return if flag == "--help" { Ok(()) } else { Err(format!("unknown flag {flag}").into()) };
        }
        given => given.unwrap_or_else(|| "app".into()),
    };
    let mysql = MySql::builder().database(&database).start().await?;
    let aws = AwsApi::start_in(mysql.region().clone()).await?;

    // Secrets go into a file that only its owner may read and that goes with the server, and into
    // Secrets Manager, as on AWS.
    let ca_file = mysql.ca_path();
    let credentials_file = ca_file.with_file_name("credentials");
    mysql.write_credentials_file(&credentials_file)?;
    let master = mysql.master();
    let secret = json!({ "username": master.username(), "password": master.password() });
    let master_secret_arn = aws.put_secret("rds-iam/master", &secret.to_string()).await?;

    let started = json!({
        "description": mysql.describe(),
        "endpoint": mysql.endpoint().to_string(),
        "dial": mysql.dial().to_string(),
        "region": mysql.region().as_str(),
        "resource_id": mysql.resource_id(),
        "database": database,
        "ca_file": ca_file,
        "credentials_file": credentials_file,
        "master_secret_arn": master_secret_arn,
        "aws_endpoint_url": aws.url(),
    });
    writeln!(stdout(), "{started}")?;

    let (mut stdin, mut input) = (stdin(), Vec::new());
    tokio::select! {
        read = stdin.read_to_end(&mut input) => { read?; }
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    drop((mysql, aws));
    // The runtime would wait for the thread that reads standard input.
    std::process::exit(0)
}
