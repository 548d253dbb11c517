//! A deployment on this machine, and the program run against it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_server::{Builder, Kind, MySql, Server};
use rds_iam_infra::{Engine, RdsConf};
use rds_iam_sqlx::{Credential, Target, connect};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ColumnIndex, ConnectOptions, Database, Decode, Executor, Row, Type};

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The users file of the example service: `node_app` and its table `messages`.
pub(crate) const APP_USERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../app/users/mysql.toml");

/// The name of the master secret.
pub(crate) const MASTER_SECRET: &str = "orders/master";

/// A password that the server does not accept.
pub(crate) const STALE_PASSWORD: &str = "a-stale-password";

/// The time limit of a wait: long enough for a slow machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// A server with one database, the master secret, and the files that the program reads.
pub(crate) struct Deployed<E: Kind> {
    pub(crate) server: Server<E>,
    pub(crate) aws: AwsApi,
    folder: tempfile::TempDir,
    pub(crate) conf: RdsConf,
    users: String,
}

/// A deployment with MySQL.
pub(crate) type Deployment = Deployed<sqlx::MySql>;

impl<E: Kind> Deployed<E> {
    /// Starts the server of `builder` with a database. `users` is the path of the users file.
    pub(crate) async fn start_with(
        builder: Builder<E>,
        engine: Engine,
        database: &str,
        users: &str,
    ) -> Result<Self> {
        let (server, aws) = tokio::join!(builder.database(database).start(), AwsApi::start());
        let (server, aws) = (server?, aws?);
        let folder = tempfile::tempdir()?;
        let mut conf = RdsConf::new(
            server.endpoint().clone(),
            server.region().clone(),
            MASTER_SECRET.parse()?,
            database.parse()?,
            "iam_admin".parse()?,
        );
        conf.engine = engine;
        conf.dial = Some(server.dial().clone());
        conf.ca_bundle = Some(server.ca_path().to_str().ok_or("the path is no text")?.parse()?);
        conf.resource_id = Some(server.resource_id().parse()?);
        conf.account_id = Some("123456789012".parse()?);
        let deployment = Self { server, aws, folder, conf, users: users.to_owned() };
        deployment.put_master_password(deployment.server.master().password()).await?;
        deployment.server.write_credentials_file(&deployment.credentials())?;
        Ok(deployment)
    }

    /// Replaces the password in the master secret.
    pub(crate) async fn put_master_password(&self, password: &str) -> Result {
        let user = self.server.master().username();
        let secret = serde_json::json!({ "username": user, "password": password, "engine": E::SLUG });
        self.aws.put_secret(MASTER_SECRET, &secret.to_string()).await?;
        Ok(())
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

    /// Replaces the users file.
    pub(crate) fn declare(&mut self, users: &str) -> Result {
        self.users = self.write("users.toml", users)?;
        Ok(())
    }

    /// Runs the program with this deployment's `rds.conf` and, unless another is named, its users file.
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
        finish(self.run_command(conf, arguments, environment)).await
    }

    /// Returns the program's command with this deployment's users file, unless another is named.
    pub(crate) fn run_command(
        &self,
        conf: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Command {
        let mut command = self.command(conf);
        if !arguments.contains(&"--users") {
            command.args(["--users", &self.users]);
        }
        command.args(arguments).envs(environment.iter().copied());
        command
    }

    /// Returns the program's command, without a users file.
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
        text.replace(self.server.resource_id(), "<resource>")
            .replace(&folder.to_string_lossy().into_owned(), "<folder>/")
            .replace(&self.conf.connect_to().to_string(), "<dial>")
            .replace(self.aws.url(), "<aws>")
    }

    /// Checks that a text has none of the deployment's secrets.
    #[track_caller]
    pub(crate) fn assert_no_secret(&self, text: &str) {
        let credentials = self.server.credentials();
        for (name, secret) in [
            ("the master password", self.server.master().password()),
            ("the stale password", STALE_PASSWORD),
            ("the secret key", credentials.secret_access_key()),
            ("the session token", credentials.session_token().unwrap_or_default()),
            ("a signature", "X-Amz-Signature"),
            ("a signature in a header", "Signature="),
        ] {
            assert!(!secret.is_empty());
            assert!(!text.contains(secret), "{name} was written");
        }
    }
}

impl<E: Kind + rds_iam_sqlx::Engine> Deployed<E> {
    fn target(&self) -> Target {
        Target::new(self.server.endpoint().clone(), self.server.ca_pem()).dial(self.server.dial().clone())
    }

    /// Connects as the master user, on PostgreSQL to the database of `rds.conf`.
    pub(crate) async fn master(&self) -> Result<E::Connection> {
        let master = self.server.master();
        self.log_in(None, master.username(), Credential::Password(master.password())).await
    }

    /// Connects to a database, on PostgreSQL by default to that of `rds.conf`.
    pub(crate) async fn log_in(
        &self,
        database: Option<&str>,
        user: &str,
        credential: Credential<'_>,
    ) -> Result<E::Connection> {
        let mut target = self.target();
        let default = (self.conf.engine == Engine::Postgres).then(|| self.conf.database.as_str());
        if let Some(database) = database.or(default) {
            target = target.database(database);
        }
        Ok(connect::<E>(&target, &user.parse()?, credential).await?)
    }
}

impl Deployment {
    pub(crate) async fn start(database: &str) -> Result<Self> {
        Self::start_with(MySql::builder(), Engine::MySql, database, APP_USERS).await
    }

    /// Connects as root, over the server's socket, for settings that AWS makes, by a parameter group or by itself.
    pub(crate) async fn root(&self) -> Result<MySqlConnection> {
        let run = self.server.ca_path().parent().and_then(Path::parent).ok_or("no folder")?.to_owned();
        let options = MySqlConnectOptions::new().socket(run.join("mysqld.sock")).username("root");
        Ok(options.ssl_mode(MySqlSslMode::Disabled).disable_statement_logging().connect().await?)
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

pub(crate) async fn execute(connection: impl Executor<'_>, sql: &str) -> Result {
    let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
    done.map_err(|error| format!("{sql}: {error}"))?;
    Ok(())
}

/// Returns a column of texts.
pub(crate) async fn column<DB>(connection: impl Executor<'_, Database = DB>, sql: &str) -> Result<Vec<String>>
where
    DB: Database,
    for<'r> String: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>()?)
}

/// Waits until a query returns a row.
pub(crate) async fn until_some<C>(connection: &mut C, sql: &str) -> Result
where
    C: sqlx::Connection,
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
    for<'r> String: Decode<'r, C::Database> + Type<C::Database>,
    usize: ColumnIndex<<C::Database as Database>::Row>,
{
    let some = async {
        while column(&mut *connection, sql).await?.is_empty() {
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    tokio::time::timeout(TIMEOUT, some).await?
}
