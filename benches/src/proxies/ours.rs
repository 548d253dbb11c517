//! This project's proxies, each in its own program.

use anyhow::Context as _;
use rds_iam_emulator_server::credentials::made_up_key;
use rds_iam_emulator_server::host;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

use super::running::{MOST_SESSIONS, Program, START_TIMEOUT, folder, path_text};
use super::target::{self, Target};
use crate::database::{DATABASE, Database, Engine, USER};
use crate::program;

/// Starts `rds-iam gateway`, which clients reach without TLS and without a password.
pub(super) async fn auth<E: Engine>(database: &Database<E>) -> anyhow::Result<(Target, Program)> {
    let (server, folder, port) = (&database.server, folder()?, host::free_port()?);
    let credentials = folder.path().join("credentials");
    server.write_credentials_file(&credentials)?;
    let file = folder.path().join("gateway.toml");
    let (engine, endpoint, dial) = (E::ENGINE, server.endpoint(), server.dial());
    let ca = server.ca_path();
    let settings = format!(
        "[bench]\n\
         url = \"{engine}://{USER}@{endpoint}/{DATABASE}?dial={dial}&sslrootcert={}\"\n\
         listen = \"{port}\"\n\
         max_sessions = {MOST_SESSIONS}\n\
         logins_per_second = 100000\n",
        ca.display()
    );
    std::fs::write(&file, settings)?;
    let environment = [
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.display().to_string()),
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ("RUST_LOG", "warn".into()),
    ];
    let arguments = ["gateway", "--file", path_text(&file)?];
    let child = program::spawn(&program::path("rds-iam")?, &arguments, &environment)?;
    let mut program = Program::new(child, folder);
    program.listening(port).await?;
    Ok((target::plaintext(database, port)?, program))
}

/// The output of `emulated-proxy`.
#[derive(Deserialize)]
struct Started {
    endpoint: String,
    dial: String,
    ca_pem: String,
}

/// Starts the emulated RDS Proxy in a program.
pub(super) async fn emulated<E: Engine>(database: &Database<E>) -> anyhow::Result<(Target, Program)> {
    let (server, folder) = (&database.server, folder()?);
    let role = made_up_key()?;
    server.enter_key(role.clone())?;
    let settings = json!({
        "engine": E::ENGINE.to_string(),
        "endpoint": server.endpoint().to_string(),
        "dial": server.dial().to_string(),
        "ca_pem": server.ca_pem(),
        "region": server.region().to_string(),
        "keys": [server.key()],
        "role": role,
        "max_connections": MOST_SESSIONS,
    });
    // Its own files are removed with the folder, also if it is killed.
    let environment = [("TMPDIR", folder.path().display().to_string())];
    let mut child = program::spawn(&program::path("emulated-proxy")?, &[], &environment)?;
    let input = child.stdin.as_mut().context("it has no input")?;
    input.write_all(format!("{settings}\n").as_bytes()).await?;
    let mut lines = BufReader::new(child.stdout.take().context("it has no output")?).lines();
    let line = timeout(START_TIMEOUT, lines.next_line()).await.context("it has not started after 30 s")??;
    let Started { endpoint, dial, ca_pem } = serde_json::from_str(&line.context("it ended at its start")?)?;
    let target = target::proxy(database, &endpoint.parse()?, &dial.parse()?, &ca_pem)?;
    Ok((target, Program::new(child, folder)))
}
