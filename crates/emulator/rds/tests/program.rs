//! The emulator as a program, and what is left when it is killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[expect(clippy::disallowed_methods, reason = "the program under test, started as a user would")]
fn start(engine: &str, temporary: &Path) -> Result<(Child, Value)> {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_rds-iam-emulator"))
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
    let temporary = tempfile::tempdir()?;
    let (mut child, started) = start("auto", temporary.path())?;
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

/// Nobody runs a destructor then.
#[tokio::test]
async fn the_servers_go_when_it_is_killed() -> Result {
    for engine in ["auto", "process"] {
        let temporary = tempfile::tempdir()?;
        let (mut child, started) = start(engine, temporary.path())?;
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
