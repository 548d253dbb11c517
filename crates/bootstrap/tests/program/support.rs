//! A deployment on this machine, and the program run against it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aws_credential_types::Credentials;
use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_server::MySql;
use rds_iam_infra::RdsConf;
use rds_iam_sqlx::{Credential, Target, connect};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The users file of the example service: `node_app` and its table `messages`.
pub(crate) const APP_USERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../app/users/mysql.toml");

/// A server with one database, the master secret, and the files that the program reads.
pub(crate) struct Deployment {
    pub(crate) mysql: MySql,
    pub(crate) aws: AwsApi,
    folder: tempfile::TempDir,
    pub(crate) conf: RdsConf,
}

impl Deployment {
    pub(crate) async fn start(database: &str) -> Result<Self> {
        let (mysql, aws) = tokio::join!(MySql::builder().database(database).start(), AwsApi::start());
        let (mysql, aws) = (mysql?, aws?);
        let folder = tempfile::tempdir()?;
        let mut conf = RdsConf::new(
            mysql.endpoint().clone(),
            mysql.region().clone(),
            "orders/master".parse()?,
            database.parse()?,
            "iam_admin".parse()?,
        );
        conf.dial = Some(mysql.dial().clone());
        conf.ca_bundle = Some(mysql.ca_path().to_str().ok_or("the path is no text")?.parse()?);
        conf.resource_id = Some(mysql.resource_id().parse()?);
        conf.account_id = Some("123456789012".parse()?);
        let deployment = Self { mysql, aws, folder, conf };
        let master = deployment.mysql.master();
        let secret = serde_json::json!({ "username": master.username(), "password": master.password(), "engine": "mysql" });
        deployment.aws.put_secret("orders/master", &secret.to_string()).await?;
        deployment.mysql.write_credentials_file(&deployment.credentials())?;
        Ok(deployment)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.path("credentials")
    }

    /// Writes a file beside `rds.conf` and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<String> {
        std::fs::write(self.path(name), text)?;
        Ok(self.path(name).to_string_lossy().into_owned())
    }

    /// Runs the program with this deployment's `rds.conf` and, unless another is named, with [`APP_USERS`].
    pub(crate) async fn bootstrap(&self, arguments: &[&str]) -> Result<Run> {
        self.bootstrap_with(&self.conf, arguments, &[]).await
    }

    /// Runs the program with another `rds.conf`, and with changes to its environment.
    pub(crate) async fn bootstrap_with(
        &self,
        conf: &RdsConf,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Run> {
        let path = self.path("rds.conf");
        conf.write(&path)?;
        self.program(&path, arguments, environment).await
    }

    /// Runs the program with the file as it is.
    pub(crate) async fn program(
        &self,
        conf: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Run> {
        let mut command = self.command(conf);
        if !arguments.contains(&"--users") {
            command.args(["--users", APP_USERS]);
        }
        command.args(arguments).envs(environment.iter().copied());
        finish(command).await
    }

    /// Returns the program's command.
    #[expect(
        clippy::disallowed_methods,
        reason = "the program under test is a child process, without the runner of xtask"
    )]
    pub(crate) fn command(&self, conf: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rds-iam-bootstrap"));
        command.arg("--config").arg(conf).env_clear().envs(self.aws.env());
        command.env("AWS_SHARED_CREDENTIALS_FILE", self.credentials()).env("AWS_CONFIG_FILE", "/dev/null");
        command
    }

    /// Replaces the parts of a text that differ between runs.
    pub(crate) fn stable(&self, text: &str) -> String {
        let folder = self.path("");
        // The client's host depends on whether the server runs in a container.
        let host = |text: &str| match text.split_once("'@'") {
            Some((before, after)) if before.contains("Access denied for user") => {
                let rest = after.split_once('\'').map_or("", |(_, rest)| rest);
                format!("{before}'@'<host>'{rest}\n")
            }
            _ => format!("{text}\n"),
        };
        let text: String = text.lines().map(host).collect();
        text.replace(self.mysql.resource_id(), "<resource>")
            .replace(&folder.to_string_lossy().into_owned(), "<folder>/")
            .replace(&self.conf.connect_to().to_string(), "<dial>")
            .replace(self.aws.url(), "<aws>")
    }

    /// Connects as the master user.
    pub(crate) async fn master(&self) -> Result<MySqlConnection> {
        let master = self.mysql.master();
        let target =
            Target::new(self.mysql.endpoint().clone(), self.mysql.ca_pem()).dial(self.mysql.dial().clone());
        Ok(connect::<sqlx::MySql>(
            &target,
            &master.username().parse()?,
            Credential::Password(master.password()),
        )
        .await?)
    }

    /// Connects as root, over the server's socket, for settings that AWS makes, by a parameter group or by itself.
    pub(crate) async fn root(&self) -> Result<MySqlConnection> {
        let run = self.mysql.ca_path().parent().and_then(Path::parent).ok_or("no folder")?.to_owned();
        let options = MySqlConnectOptions::new().socket(run.join("mysqld.sock")).username("root");
        Ok(options.ssl_mode(MySqlSslMode::Disabled).disable_statement_logging().connect().await?)
    }
}

/// What a Lambda function gets from a deployment.
pub(crate) trait Deployed {
    fn aws(&self) -> &AwsApi;
    fn conf(&self) -> &RdsConf;
    fn signer(&self) -> Credentials;
    /// Returns the path of a file in the deployment's folder.
    fn file(&self, name: &str) -> PathBuf;
}

impl Deployed for Deployment {
    fn aws(&self) -> &AwsApi {
        &self.aws
    }

    fn conf(&self) -> &RdsConf {
        &self.conf
    }

    fn signer(&self) -> Credentials {
        self.mysql.credentials()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path(name)
    }
}

/// The exit status and the output of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn json(&self) -> Result<serde_json::Value> {
        Ok(serde_json::from_str(&self.stdout)?)
    }

    /// Returns the statements in a JSON report.
    pub(crate) fn sql(&self) -> Result<Vec<String>> {
        let json = self.json()?;
        let actions = json["actions"].as_array().ok_or("no actions")?;
        Ok(actions.iter().map(|action| action["sql"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// Returns standard error, without the parts that differ between runs.
    pub(crate) fn stderr(&self, deployment: &Deployment) -> String {
        deployment.stable(&self.stderr)
    }
}

/// Runs the command to its end.
pub(crate) async fn finish(mut command: Command) -> Result<Run> {
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let Output { status, stdout, stderr } = output;
    Ok(Run { code: status.code(), stdout: String::from_utf8(stdout)?, stderr: String::from_utf8(stderr)? })
}

pub(crate) async fn execute(connection: &mut MySqlConnection, sql: &str) -> Result {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await
        .map_err(|e| format!("{sql}: {e}"))?;
    Ok(())
}

pub(crate) async fn column(connection: &mut MySqlConnection, sql: &str) -> Result<Vec<String>> {
    let rows: Vec<MySqlRow> = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>()?)
}
