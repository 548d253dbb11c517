//! The clients as programs, and what they need, which is installed into the emulator's cache.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rds_iam_emulator_account::python_with;
use rds_iam_emulator_server::command::{Command, missing};
use rds_iam_emulator_server::host::cache::Entry;
use rds_iam_emulator_server::host::file;
use rds_iam_emulator_server::{Error, clients};
use sha2::{Digest as _, Sha256};

use super::Result;
use super::scenario::Plan;
use super::sites::{DATABASE, Site};

/// A client, without its last arguments: its name and the file with the steps.
pub(super) struct Program {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
}

impl Program {
    /// Returns the program of a client; `None` for sqlx.
    pub(super) async fn prepare(client: &str) -> Result<Option<Self>> {
        Ok(Some(match client {
            "mysql-cli" => Self::python("cli.py").await?.env("PROGRAM", clients::mysql().await?),
            "psql" => Self::python("cli.py").await?.env("PROGRAM", clients::psql().await?),
            "mysql-connector" | "pymysql" | "psycopg" | "asyncpg" => Self::python("client.py").await?,
            "mysql2" | "node-postgres" => {
                Self::new("node").arg(source("client.js")).env("NODE_PATH", node_modules().await?)
            }
            "mariadb-jdbc" | "pgjdbc" => Self::new("java").arg("-cp").arg(class_path().await?).arg("Client"),
            "dbd-mysql" => Self::new(clients::perl().await?).arg(source("client.pl")),
            _ => return Ok(None),
        }))
    }

    fn new(program: impl Into<OsString>) -> Self {
        Self { program: program.into(), arguments: Vec::new(), environment: Vec::new() }
    }

    async fn python(file: &str) -> Result<Self> {
        let requirements = include_str!("requirements.txt");
        let python = python_with("clients", requirements, "install drivers of MySQL and PostgreSQL").await?;
        // Isolated, but for the file's own folder.
        Ok(["-E", "-s", "-B"].into_iter().fold(Self::new(python), Self::arg).arg(source(file)))
    }

    fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Runs the client, and returns what it printed. Its password is in a file that only its owner may read.
    pub(super) async fn run(&self, client: &str, site: &Site, plan: &Plan) -> Result<String> {
        let mut command = Command::new(&self.program)
            .args(self.arguments.iter().cloned())
            .arg(client)
            .arg(plan.file())
            .bare();
        let (mut name, mut ca, secret) = (OsString::new(), OsString::new(), plan.folder().join("secret"));
        file::replace(&secret, &site.secret.password().await?, 0o600)?;
        if let Some(tls) = &site.tls {
            let hosts = plan.folder().join("hosts");
            // For the programs that resolve names with nss_wrapper.
            std::fs::write(&hosts, format!("{} {}\n", site.host, tls.name))?;
            command = command.env("NSS_WRAPPER_HOSTS", hosts);
            (name, ca) = (tls.name.clone().into(), tls.ca.clone().into());
        }
        let port = site.port.to_string();
        let login = [
            ("HOST", site.host.as_str()),
            ("PORT", port.as_str()),
            ("USER", site.user.as_str()),
            ("DATABASE", DATABASE),
        ];
        let files = [("SERVER_NAME", name), ("CA_FILE", ca), ("TOKEN_FILE", secret.into())];
        command = login.into_iter().fold(command, |command, (name, value)| command.env(name, value));
        command = files.into_iter().fold(command, |command, (name, value)| command.env(name, value));
        let own = self.environment.iter().cloned();
        Ok(own.fold(command, |command, (name, value)| command.env(name, value)).output().await?)
    }
}

/// Returns the path of a client's source.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Returns the entry of the cache for what these files make.
async fn entry(name: &str, files: &[&str]) -> Result<Entry> {
    let digest = Sha256::digest(files.concat());
    Ok(Entry::lock(&format!("{name}-{}", hex::encode(&digest[..6]))).await?)
}

/// Returns the folder of the drivers for Node.js, installed into the cache at the first call.
async fn node_modules() -> Result<PathBuf> {
    let missing = missing(&["node", "npm"]);
    if !missing.is_empty() {
        let hint = "on Debian, `apt-get install nodejs npm`; 16 or later";
        return Err(
            Error::MissingTools { purpose: "run mysql2 and node-postgres", tools: missing, hint }.into()
        );
    }
    let (list, lock) = (include_str!("package.json"), include_str!("package-lock.json"));
    let entry = entry("node-clients", &[list, lock]).await?;
    if let Some(folder) = entry.existing() {
        return Ok(folder.join("node_modules"));
    }
    let scratch = entry.begin()?;
    std::fs::write(scratch.join("package.json"), list)?;
    std::fs::write(scratch.join("package-lock.json"), lock)?;
    let install = Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    install.output_in(&scratch).await?;
    Ok(entry.finish(&scratch)?.join("node_modules"))
}

/// Returns the class path of the client in Java, compiled at the first call, and of its drivers.
async fn class_path() -> Result<OsString> {
    let missing = missing(&["java", "javac"]);
    if !missing.is_empty() {
        let hint = "on Debian, `apt-get install default-jdk-headless`; 17 or later";
        return Err(Error::MissingTools { purpose: "run the drivers for Java", tools: missing, hint }.into());
    }
    let drivers = [clients::mariadb_jdbc().await?, clients::pgjdbc().await?];
    let entry = entry("java-clients", &[include_str!("Client.java"), include_str!("Json.java")]).await?;
    let classes = match entry.existing() {
        Some(folder) => folder.to_owned(),
        None => {
            let scratch = entry.begin()?;
            let compile = Command::new("javac").arg("-cp").arg(&drivers[1]).arg("-d").arg(&scratch);
            compile.arg(source("Client.java")).arg(source("Json.java")).output().await?;
            entry.finish(&scratch)?
        }
    };
    Ok(std::env::join_paths(drivers.iter().chain([&classes]))?)
}
