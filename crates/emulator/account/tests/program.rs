//! Tests of the emulator as a program, and of the remains after it is killed.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_server::{Kind, on_each_engine};
use rds_iam_sqlx::{Engine, Pool};
use serde_json::Value;
use tokio::net::TcpStream;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

on_each_engine![
    #[tokio::test]
    it_says_where_everything_is_and_ends_with_its_input,
    the_servers_go_when_it_is_killed
];

/// Starts the program with a server of the engine in a runtime; MySQL's needs no option.
fn start_server<E: Kind>(runtime: &str, temporary: &Path) -> Result<(Child, Value)> {
    // For root, PostgreSQL runs as another user, who has to get through to its own folder.
    std::fs::set_permissions(temporary, std::fs::Permissions::from_mode(0o755))?;
    let engine = ["--database", "shop", "--user", "app", "--engine", E::SLUG];
    start(if E::SLUG == "mysql" { &engine[..4] } else { &engine }, runtime, temporary)
}

#[expect(clippy::disallowed_methods, reason = "the program under test, started as a user would")]
fn start(arguments: &[&str], runtime: &str, temporary: &Path) -> Result<(Child, Value)> {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_rds-iam-emulator"))
        .args(arguments)
        .env("RDS_IAM_EMULATOR_ENGINE", runtime)
        .env("TMPDIR", temporary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line)?;
    Ok((child, serde_json::from_str(&line)?))
}

fn text<'a>(started: &'a Value, name: &str) -> &'a str {
    started[name].as_str().unwrap()
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// Waits until the folder is empty: moto's parent process ends a moment after the program, and removes its own.
async fn becomes_empty(folder: &Path) -> Result {
    let empty = async {
        while !is_empty(folder) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    Ok(tokio::time::timeout(Duration::from_secs(20), empty).await?)
}

async fn it_says_where_everything_is_and_ends_with_its_input<E: Kind + Engine>() -> Result {
    let temporary = tempfile::tempdir()?;
    let (mut child, started) = start_server::<E>("auto", temporary.path())?;
    let (engine, description) =
        if E::SLUG == "mysql" { ("mysql", "MySQL ") } else { ("postgresql", "PostgreSQL ") };
    assert_eq!((text(&started, "engine"), text(&started, "database")), (engine, "shop"));
    assert!(text(&started, "description").starts_with(description), "{started}");
    assert!(text(&started, "endpoint").ends_with(&format!(".rds.amazonaws.com:{}", E::PORT)), "{started}");
    let (dial, aws) = (text(&started, "dial"), text(&started, "aws_endpoint_url"));
    let credentials_file = Path::new(text(&started, "credentials_file"));
    let api = AwsApi::connect(aws, text(&started, "region").parse()?, credentials_file).await?;
    let credentials = api.sdk_config().credentials_provider().ok_or("no credentials")?;
    let pool = Pool::<E>::builder(text(&started, "endpoint"), text(&started, "user"))
        .credentials(credentials)
        .dial(dial)
        .root_certificates(std::fs::read_to_string(text(&started, "ca_file"))?)
        .database("shop");
    // It opens a connection: the user logs in by IAM.
    drop(pool.connect().await?);

    drop(child.stdin.take());
    assert!(child.wait()?.success());
    assert!(TcpStream::connect(dial).await.is_err());
    assert!(TcpStream::connect(aws.strip_prefix("http://").unwrap()).await.is_err());
    becomes_empty(temporary.path()).await
}

#[tokio::test]
async fn it_starts_the_aws_api_alone() -> Result {
    let temporary = tempfile::tempdir()?;
    let (mut child, started) = start(&["aws"], "auto", temporary.path())?;
    assert_eq!(started.as_object().map(serde_json::Map::len), Some(2));
    let credentials = std::fs::metadata(text(&started, "credentials_file"))?;
    assert_eq!(credentials.permissions().mode() & 0o777, 0o600);
    let aws = text(&started, "aws_endpoint_url").strip_prefix("http://").unwrap();
    TcpStream::connect(aws).await?;
    drop(child.stdin.take());
    assert!(child.wait()?.success());
    assert!(TcpStream::connect(aws).await.is_err());
    becomes_empty(temporary.path()).await
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the program under test, started as a user would")]
fn what_keeps_the_aws_api_from_starting_is_reported() -> Result {
    let nothing = tempfile::tempdir()?;
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_rds-iam-emulator"))
        .arg("aws")
        .env("PATH", nothing.path())
        .env("DOCKER_HOST", format!("unix://{}/none.sock", nothing.path().display()))
        .output()?;
    assert_eq!((run.status.code(), run.stdout.as_slice()), (Some(1), &b""[..]));
    let said = String::from_utf8(run.stderr)?;
    let expected = "rds-iam-emulator: to run the AWS API endpoint, this machine needs python3";
    assert!(said.starts_with(expected), "{said}");
    Ok(())
}

/// Destructors do not run then.
async fn the_servers_go_when_it_is_killed<E: Kind>() -> Result {
    for runtime in ["auto", "process"] {
        let temporary = tempfile::tempdir()?;
        let (mut child, started) = start_server::<E>(runtime, temporary.path())?;
        let dial = text(&started, "dial");
        let aws = text(&started, "aws_endpoint_url").strip_prefix("http://").unwrap();
        TcpStream::connect(dial).await?;
        assert!(!is_empty(temporary.path()));
        child.kill()?;
        child.wait()?;
        let gone = async {
            while TcpStream::connect(dial).await.is_ok()
                || TcpStream::connect(aws).await.is_ok()
                || !is_empty(temporary.path())
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await?;
    }
    Ok(())
}
