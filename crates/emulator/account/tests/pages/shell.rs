//! A shell of a reader: bash in an empty home folder, with the AWS CLI, `psql` and `mysql`, before an emulated account and
//! the emulator's servers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rds_iam_emulator_account::{AwsApi, python_with};
use rds_iam_emulator_server::command::Command;
use rds_iam_emulator_server::{CommandError, Kind, Server, clients};
use tempfile::TempDir;

use super::Result;

/// Every package of the AWS CLI with the hashes of its files.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// The file of AWS's certificates, which the stand-in for `curl` replaces by those of the emulator.
const BUNDLE: &str = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem";

/// The texts that a page has for the reader's own, each with the one of the emulated account.
pub(super) type Values<'a> = [(&'a str, &'a str)];

pub(super) struct Shell {
    home: TempDir,
    environment: Vec<(&'static str, String)>,
    values: Vec<(String, String)>,
}

impl Shell {
    /// Returns a shell before the account of `aws`, without a server.
    pub(super) async fn new(aws: &AwsApi) -> Result<Self> {
        let shell = Self {
            home: tempfile::tempdir()?,
            environment: vec![
                ("AWS_ENDPOINT_URL", aws.url().into()),
                ("AWS_SHARED_CREDENTIALS_FILE", aws.credentials_file().display().to_string()),
                ("AWS_REGION", aws.region().to_string()),
                ("AWS_DEFAULT_REGION", aws.region().to_string()),
            ],
            values: Vec::new(),
        };
        fs::create_dir(shell.path("bin"))?;
        let python = python_with("aws-cli", REQUIREMENTS, "install the AWS CLI").await?;
        shell.program("aws", &format!("exec '{}' -I -m awscli \"$@\"", python.display()))?;
        shell.program("psql", &format!("exec '{}' \"$@\"", clients::psql().await?.display()))?;
        shell.program("mysql", &format!("exec '{}' \"$@\"", clients::mysql().await?.display()))?;
        // The only download of the pages, and any other is an error.
        shell.program("curl", &format!("[ \"$*\" = '-O {BUNDLE}' ] && cp ~/bundle.pem global-bundle.pem"))?;
        Ok(shell)
    }

    /// Lets clients connect to the server by its endpoint, as if the name were in DNS. The authorities of two servers have one
    /// name, so that a shell has one server.
    pub(super) fn reaches<E: Kind>(mut self, server: &Server<E>) -> Result<Self> {
        let (dial, endpoint) = (server.dial(), server.endpoint());
        let address = dial.host().to_string();
        fs::write(self.path("hosts"), format!("{address} {}\n", endpoint.host()))?;
        self.environment.push(("NSS_WRAPPER_HOSTS", self.path("hosts").display().to_string()));
        self.environment.push(("PGHOSTADDR", address));
        let port = if endpoint.port() == 5432 { "PGPORT" } else { "MYSQL_TCP_PORT" };
        self.environment.push((port, dial.port().to_string()));
        fs::write(self.path("bundle.pem"), server.ca_pem())?;
        Ok(self)
    }

    /// Replaces texts of the pages in each command and file.
    pub(super) fn with_values(mut self, values: &Values<'_>) -> Self {
        self.values.extend(values.iter().map(|&(page, own)| (page.to_owned(), own.to_owned())));
        self
    }

    /// Writes a file of the page into the current folder.
    pub(super) fn write(&self, name: &str, text: &str) -> Result {
        Ok(fs::write(self.path(name), self.filled_in(text))?)
    }

    /// Runs a block of a page. Returns its output.
    pub(super) async fn run(&self, block: &str) -> Result<String> {
        self.run_with_input(block, "").await
    }

    /// Runs a block of a page whose programs read `input`, passwords too: they have no terminal. Returns its output.
    pub(super) async fn run_with_input(&self, block: &str, input: &str) -> Result<String> {
        let input_file = self.path("input");
        fs::write(&input_file, input)?;
        let block = self.filled_in(block);
        let start = r#"exec bash -eu -o pipefail -c "$1" <"$2""#;
        let command = Command::new("setsid").args(["--wait", "bash", "-c", start, "bash", &block]);
        let path = std::env::join_paths(
            [self.path("bin")]
                .into_iter()
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        )?;
        let command = command.arg(input_file).bare().env("PATH", path).env("HOME", self.home.path());
        let command = command.env("PGCONNECT_TIMEOUT", "30");
        let command =
            self.environment.iter().fold(command, |command, (name, value)| command.env(name, value));
        Ok(command.output_in(self.home.path()).await?)
    }

    /// Runs a block that fails, and returns the end of its error output.
    pub(super) async fn fails_with_input(&self, block: &str, input: &str) -> Result<String> {
        match self.run_with_input(block, input).await {
            Ok(output) => Err(format!("`{block}` succeeded: {output}").into()),
            Err(error) => match *error.downcast::<CommandError>()? {
                CommandError::Failed { said, .. } => Ok(said),
                other => Err(other.into()),
            },
        }
    }

    /// Returns a text of a page with the values of the emulated account.
    pub(super) fn filled_in(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, (page, own)| text.replace(page, own))
    }

    fn program(&self, name: &str, script: &str) -> Result {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?)
    }

    fn path(&self, name: &str) -> PathBuf {
        let home: &Path = self.home.path();
        home.join(name)
    }
}
