//! Helpers for tests of the program: starts `rds-iam-app` as a child process with given settings, and sends it raw
//! HTTP requests.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The running program. Dropping it kills it.
pub(crate) struct Program {
    _child: Child,
    /// The public address, `host:port`.
    pub(crate) people: String,
    /// The management address, `host:port`.
    pub(crate) machines: String,
}

impl Program {
    /// Starts it with a database that refuses every connection, unless `settings` give another.
    pub(crate) async fn start(settings: &[(&str, String)]) -> Self {
        // A port that was just free and is closed again.
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the program itself is what is tested")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_rds-iam-app"));
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        command.envs([
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "not-a-real-secret"),
            ("AWS_REGION", "eu-west-1"),
            ("RDS_IAM_DB_ENDPOINT", "orders.c0ffee.eu-west-1.rds.amazonaws.com"),
            ("RDS_IAM_DB_NAME", "node_db"),
            ("RDS_IAM_DB_USER", "node_app"),
            ("RDS_IAM_DIAL", &closed.to_string()),
            ("RDS_IAM_BIND", "127.0.0.1"),
            ("PORT", "0"),
            ("RDS_IAM_LOG", "json"),
        ]);
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
        let (people, machines) = loop {
            let line = log.next_line().await.unwrap().expect("it ended before it served");
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if event["message"] == "serving" {
                let address = event["address"].as_str().unwrap();
                let management = event["management"].as_str().unwrap_or(address);
                break (address.to_owned(), management.to_owned());
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self { _child: child, people, machines }
    }
}

/// Sends `head` (with its request line, without the empty line at its end) and `body` over a separate
/// connection, and returns the whole response.
pub(crate) async fn ask(address: &str, head: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    stream.write_all(format!("{head}\r\n{length}connection: close\r\n\r\n{body}").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Returns the status of the answer to a `GET`.
pub(crate) async fn status(address: &str, path: &str) -> std::io::Result<u16> {
    let answer = ask(address, &format!("GET {path} HTTP/1.1\r\nhost: {address}"), "").await?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}
