//! Tests of the emulator as a program, and of the remains after it is killed.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[expect(clippy::disallowed_methods, reason = "the program under test, started as a user would")]
fn start(arguments: &[&str], engine: &str, temporary: &Path) -> Result<(Child, Value)> {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_rds-iam-emulator"))
        .args(arguments)
        .env("RDS_IAM_EMULATOR_ENGINE", engine)
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

#[tokio::test]
async fn it_says_where_everything_is_and_ends_with_its_input() -> Result {
    for engine in ["mysql", "postgres"] {
        of_engine(engine).await?;
    }
    Ok(())
}

async fn of_engine(engine: &str) -> Result {
    let temporary = tempfile::tempdir()?;
    // PostgreSQL runs as another user where this one is root.
    std::fs::set_permissions(temporary.path(), std::fs::Permissions::from_mode(0o755))?;
    let arguments = ["--engine", engine, "--database", "shop"];
    let (mut child, started) = start(&arguments, "auto", temporary.path())?;
    assert_eq!((text(&started, "engine"), text(&started, "database")), (engine, "shop"));
    assert!(text(&started, "endpoint").starts_with(&format!("local-{engine}.")));
    let (dial, aws) = (text(&started, "dial"), text(&started, "aws_endpoint_url"));
    TcpStream::connect(dial).await?;
    assert!(Path::new(text(&started, "credentials_file")).is_file());
    assert!(std::fs::read_to_string(text(&started, "ca_file"))?.contains("BEGIN CERTIFICATE"));

    drop(child.stdin.take());
    assert!(child.wait()?.success());
    assert!(TcpStream::connect(dial).await.is_err());
    assert!(TcpStream::connect(aws.strip_prefix("http://").unwrap()).await.is_err());
    assert!(is_empty(temporary.path()));
    Ok(())
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
    assert!(is_empty(temporary.path()));
    Ok(())
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
#[tokio::test]
async fn the_servers_go_when_it_is_killed() -> Result {
    for engine in ["auto", "process"] {
        let temporary = tempfile::tempdir()?;
        let (mut child, started) = start(&[], engine, temporary.path())?;
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
