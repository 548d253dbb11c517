//! Tests of the program while another one rewrites the file with its AWS credentials.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rds_iam_emulator_server::{AccessKey, Kind, Server, fixtures, on_each_engine};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

on_each_engine![keys_in_a_rewritten_file_are_used_without_a_restart];

async fn server<E: Kind>() -> Result<Server<E>> {
    let server = fixtures::app_server().await?;
    fixtures::create_app_tables(&server).await?;
    Ok(server)
}

/// Keys that don't say when they end, as tools write them into the shared credentials file.
fn write(file: &Path, id: &str, session_token: &str) -> Result {
    Ok(fs::write(
        file,
        format!(
            "[default]\naws_access_key_id = {id}\naws_secret_access_key = secret\naws_session_token = {session_token}\n"
        ),
    )?)
}

/// The program, which ends with this.
struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start<E: Kind>(server: &Server<E>, credentials: &Path) -> Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "the program itself is what is tested")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_rds-iam-app"));
        let endpoint = server.endpoint();
        let mut child = command
            .env_clear()
            .env("RDS_IAM_ENGINE", E::SLUG)
            .env("RDS_IAM_DB_ENDPOINT", endpoint.host().to_string())
            .env("RDS_IAM_DB_PORT", endpoint.port().to_string())
            .env("RDS_IAM_DB_NAME", "node_db")
            .env("RDS_IAM_DB_USER", "node_app")
            .env("RDS_IAM_DIAL", server.dial().to_string())
            .env("RDS_IAM_CA_BUNDLE", server.ca_path())
            .env("RDS_IAM_BIND", "127.0.0.1")
            .env("RDS_IAM_MANAGEMENT_PORT", "0")
            .env("PORT", "0")
            .env("AWS_REGION", server.region().to_string())
            .env("AWS_SHARED_CREDENTIALS_FILE", credentials)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut log = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(log.read_line(&mut line)? > 0, "it ended early");
            let event: serde_json::Value = serde_json::from_str(&line)?;
            if event["message"] == "serving" {
                break event["address"].as_str().ok_or("no address")?.to_owned();
            }
        };
        // The rest of the log is read, so that the program never waits for this test.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(Self { child, address })
    }

    /// Returns the status and the body of an answer.
    fn messages(&self) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        let host = &self.address;
        write!(stream, "GET /api/messages HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Returns the last answer, after at most 20 s of others.
    async fn until_it_serves(&self) -> Result<String> {
        let mut answer = self.messages()?;
        for _ in 0..200 {
            if answer.starts_with("HTTP/1.1 200") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            answer = self.messages()?;
        }
        Ok(answer)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn keys_in_a_rewritten_file_are_used_without_a_restart<E: Kind>() -> Result {
    let server = server::<E>().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("credentials");
    let key = |id: &str| AccessKey::new(id, "secret").session_token(format!("session-of-{id}"));
    server.enter_key(key("ASIAFIRST"))?;
    write(&file, "ASIAFIRST", "session-of-ASIAFIRST")?;
    let program = Program::start(&server, &file)?;
    let answer = program.until_it_serves().await?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    for next in ["ASIAOTHER", "ASIATHIRD"] {
        // All keys so far end, and with them the sessions that they opened; the file has new ones.
        for ended in ["ASIAFIRST", "ASIAOTHER"] {
            server.enter_key(key(ended).expires_at(1))?;
        }
        server.enter_key(key(next))?;
        write(&file, next, &format!("session-of-{next}"))?;
        server.cut_connections().await?;
        let answer = program.until_it_serves().await?;
        assert!(answer.starts_with("HTTP/1.1 200"), "{next}: {answer}");
    }
    let last = server.logins()?.pop().ok_or("no login")?;
    assert_eq!(last.access_key_id.as_deref(), Some("ASIATHIRD"));
    Ok(())
}
