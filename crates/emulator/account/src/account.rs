//! An account on this machine: the AWS API, and real servers behind the resources that Terraform creates in
//! it.
//!
//! moto keeps records. Beside it runs a real registry for images; for each database instance and each cluster, a server of
//! its engine that checks tokens; for each Auto Scaling group whose instances are refreshed, the scripts of the module
//! `ec2`, with shims for the programs of the machine that they would run on; and an emulated Session Manager, whose
//! instances reach the databases.
//!
//! Clients need the account's access key. The deployed service has it too, so values from the AWS API are
//! validated before they become a path (`name`) or are run (`user_data`).

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::command::tail;
use rds_iam_emulator_server::credentials::own_key;
use rds_iam_emulator_server::host::file;
use rds_iam_report::ErrorReport;
use serde_json::json;
use tracing::{info, warn};

use crate::aws::AwsApi;
use crate::databases::Databases;
use crate::folder::Folder;
use crate::machines::Machines;
use crate::registry::Registry;
use crate::sessions::Sessions;
use crate::{python, snapshot};

/// The interval at which the AWS API is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The number of polls in a row that may fail: moto may be busy.
const MAX_FAILED_POLLS: u32 = 20;

/// A running account. Dropping it ends everything that belongs to it and leaves only logs in its folder. The
/// end of this process, by any cause, does the same, but leaves files.
pub struct Account {
    // The fields are dropped, and thereby ended, in this order.
    machines: Machines,
    databases: Databases,
    aws: AwsApi,
    sessions: Sessions,
    registry: Registry,
    folder: Folder,
}

impl Account {
    /// Starts an account in `folder`, which is created if needed, and writes its addresses to `account.json`.
    /// `program` is called as `program shim …` by the shims on the machines, and has to pass the arguments
    /// that follow to [`run_shim`](crate::run_shim).
    ///
    /// # Errors
    /// Returns [`Error::Setting`] if another account uses the folder, [`Error::MissingTools`] if programs are
    /// missing on this machine. Only logs remain after an error.
    pub async fn start(folder: &Path, program: &Path) -> Result<Self, Error> {
        if !python::is_possible().await {
            return Err(Error::MissingTools {
                purpose: "run the AWS API of an account",
                tools: vec!["python3", "its venv module"],
                hint: "on Debian, `apt-get install python3-venv`",
            });
        }
        let folder = Folder::take(folder)?;
        let registry = Registry::start(&folder).await?;
        // Its clients name the region in their requests.
        let region = "us-east-1".parse().map_err(Error::setting("region", "us-east-1"))?;
        let log = folder.log_path("aws");
        let databases = Databases::new(&folder)?;
        let credentials = databases.credentials_file();
        let sessions = Sessions::start(&own_key()?).await?;
        let options = [
            "--registry".into(),
            registry.address().into(),
            "--images".into(),
            registry.images().into(),
            "--sessions".into(),
            sessions.address().to_string().into(),
        ];
        let aws = AwsApi::start_for_account(&options, &log, region, credentials).await?;
        let machines = Machines::new(&folder, &registry, program).await?;
        let docker = folder.make("docker")?;
        file::replace(&docker.join("config.json"), &registry.docker_config(), 0o600)?;
        folder.announce(&json!({
            "pid": std::process::id(),
            "aws_endpoint_url": aws.url(),
            "credentials_file": credentials,
            "registry": registry.address(),
        }))?;
        info!("the account is in {}", folder.path().display());
        Ok(Self { machines, databases, aws, sessions, registry, folder })
    }

    /// Runs the account until `end` completes, and then ends it.
    ///
    /// # Errors
    /// Returns [`Error::Ended`] if the AWS API or the registry ends before that.
    pub async fn run(mut self, end: impl Future<Output = ()>) -> Result<(), Error> {
        let result = tokio::select! {
            () = end => Ok(()),
            ended = self.follow() => Err(ended),
        };
        // New clients must not find the account any more.
        self.folder.withdraw();
        info!("ending the account");
        result
    }

    /// Starts and ends servers to match the AWS API's resources, until the API or the registry ends.
    async fn follow(&mut self) -> Error {
        let mut failed_polls = 0;
        loop {
            if let Some(ended) = self.registry.exit_error() {
                return ended;
            }
            match self.poll().await {
                Ok(()) => failed_polls = 0,
                Err(_) if self.aws.has_ended() => {
                    let log = std::fs::read_to_string(self.folder.join("aws.log")).unwrap_or_default();
                    return Error::Ended { server: "the AWS API", status: None, log: tail(&log) };
                }
                Err(e) if failed_polls == MAX_FAILED_POLLS => return e,
                Err(e) => {
                    failed_polls += 1;
                    warn!("{}", ErrorReport(&e));
                }
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn poll(&mut self) -> Result<(), Error> {
        let Self { machines, databases, aws, sessions, registry, folder } = self;
        let snapshot = snapshot::fetch(aws).await?;
        databases.follow(&snapshot.databases, aws, folder).await;
        sessions.follow(&databases.addresses());
        let report = machines.follow(&snapshot.groups, databases, registry, aws, folder).await;
        if report.is_empty() { Ok(()) } else { snapshot::report(aws, &report).await }
    }
}
