//! A deployment with PostgreSQL on this machine, and the program run against it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_credential_types::Credentials;
use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_server::{CreatorEdges, Postgres, PostgresVersion, Runtime};
use rds_iam_infra::{Engine, RdsConf};
use rds_iam_sqlx::{Credential, Target, connect};
use rds_iam_token::{Clock, Login, Minter, TokenSource};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};

use crate::support::{Deployed, Result, Run, finish};

/// The versions that these tests run on: the oldest and the newest.
pub(super) const VERSIONS: [PostgresVersion; 2] = [PostgresVersion::V15, PostgresVersion::NEWEST];

/// One user with privileges on all tables, and one table.
pub(super) const USERS: &str = r#"
[[user]]
name = "app"
grant = [{ privileges = ["SELECT", "INSERT"] }]

[schema]
statements = ["CREATE TABLE IF NOT EXISTS messages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, message text)"]
"#;

/// The time limit of a wait: long enough for a slow machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A server with one database, the master secret, and the files that the program reads.
pub(super) struct Deployment {
    pub(super) server: Postgres,
    pub(super) aws: AwsApi,
    folder: tempfile::TempDir,
    pub(super) conf: RdsConf,
    users: String,
}

impl Deployment {
    pub(super) async fn start(version: PostgresVersion) -> Result<Self> {
        Self::start_as(version, CreatorEdges::DoNotCount).await
    }

    /// Starts a server that counts the membership of a role's creator, or does not.
    pub(super) async fn start_as(version: PostgresVersion, way: CreatorEdges) -> Result<Self> {
        let mut builder = Postgres::builder().runtime(Runtime::Process).database("node_db").version(version);
        if version != PostgresVersion::V15 {
            builder = builder.creator_edges(way);
        }
        let (server, aws) = tokio::join!(builder.start(), AwsApi::start());
        let (server, aws) = (server?, aws?);
        let folder = tempfile::tempdir()?;
        let mut conf = RdsConf::new(
            server.endpoint().clone(),
            server.region().clone(),
            "orders/master".parse()?,
            "node_db".parse()?,
            "iam_admin".parse()?,
        );
        conf.engine = Engine::Postgres;
        conf.dial = Some(server.dial().clone());
        conf.ca_bundle = Some(server.ca_path().to_str().ok_or("the path is no text")?.parse()?);
        conf.resource_id = Some(server.resource_id().parse()?);
        conf.account_id = Some("123456789012".parse()?);
        let mut deployment = Self { server, aws, folder, conf, users: String::new() };
        let master = deployment.server.master();
        let secret = serde_json::json!({ "username": master.username(), "password": master.password() });
        deployment.aws.put_secret("orders/master", &secret.to_string()).await?;
        deployment.server.write_credentials_file(&deployment.path("credentials"))?;
        deployment.declare(USERS)?;
        Ok(deployment)
    }

    /// Replaces the users file.
    pub(super) fn declare(&mut self, users: &str) -> Result {
        let path = self.path("users.toml");
        std::fs::write(&path, users)?;
        self.users = path.to_string_lossy().into_owned();
        Ok(())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program with this deployment's `rds.conf` and users file.
    pub(super) async fn bootstrap(&self, arguments: &[&str]) -> Result<Run> {
        self.bootstrap_with(&self.conf, arguments).await
    }

    pub(super) async fn bootstrap_with(&self, conf: &RdsConf, arguments: &[&str]) -> Result<Run> {
        let path = self.path("rds.conf");
        conf.write(&path)?;
        let mut command = self.command(&path);
        command.args(["--users", &self.users]).args(arguments);
        finish(command).await
    }

    /// Runs the program and lets it log everything.
    pub(super) async fn bootstrap_and_log(&self, arguments: &[&str]) -> Result<Run> {
        let path = self.path("rds.conf");
        self.conf.write(&path)?;
        let mut command = self.command(&path);
        command.args(["--users", &self.users]).args(arguments).env("RUST_LOG", "trace");
        finish(command).await
    }

    /// Starts the program and does not wait for it.
    pub(super) fn spawn(&self, conf: &RdsConf) -> Result<Child> {
        let path = self.path("rds.conf");
        conf.write(&path)?;
        let mut command = self.command(&path);
        command.args(["--users", &self.users]).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.spawn()?)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the program under test is a child process, without the runner of xtask"
    )]
    fn command(&self, conf: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rds-iam-bootstrap"));
        command.arg("--config").arg(conf).env_clear().envs(self.aws.env());
        command.env("AWS_SHARED_CREDENTIALS_FILE", self.path("credentials"));
        command.env("AWS_CONFIG_FILE", "/dev/null");
        command
    }

    fn target(&self) -> Target {
        Target::new(self.server.endpoint().clone(), self.server.ca_pem())
            .dial(self.server.dial().clone())
            .database("node_db")
    }

    /// Connects as the master user, by password.
    pub(super) async fn master(&self) -> Result<PgConnection> {
        let master = self.server.master();
        self.by_password(master.username(), master.password()).await
    }

    /// Connects as the master user to another database.
    pub(super) async fn master_in(&self, database: &str) -> Result<PgConnection> {
        let master = self.server.master();
        let (user, password) = (master.username().parse()?, Credential::Password(master.password()));
        Ok(connect::<sqlx::Postgres>(&self.target().database(database), &user, password).await?)
    }

    pub(super) async fn by_password(&self, user: &str, password: &str) -> Result<PgConnection> {
        let password = Credential::Password(password);
        Ok(connect::<sqlx::Postgres>(&self.target(), &user.parse()?, password).await?)
    }

    /// Connects by token.
    pub(super) async fn by_iam(&self, user: &str) -> Result<PgConnection> {
        let login = Login::new(self.server.endpoint().clone(), self.server.region().clone(), user.parse()?);
        let minter = Minter::new(login, self.server.credentials(), Clock::system());
        let token = TokenSource::lazy(minter).token().await?;
        Ok(connect::<sqlx::Postgres>(&self.target(), &user.parse()?, Credential::Token(&token)).await?)
    }

    /// Runs statements as the server's own superuser, in the database `postgres`.
    pub(super) async fn as_superuser(&self, statements: &[&str]) -> Result {
        for sql in statements {
            self.server.as_superuser(*sql).await.map_err(|error| format!("{sql}: {error}"))?;
        }
        Ok(())
    }

    /// Runs statements as the master user.
    pub(super) async fn as_master(&self, statements: &[&str]) -> Result {
        let mut master = self.master().await?;
        for sql in statements {
            execute(&mut master, sql).await?;
        }
        Ok(())
    }

    /// Makes the server refuse every login over the network with 28000, as one that restarts may do; or accept them again.
    pub(super) async fn refuse_all_logins(&self, refuse: bool) -> Result {
        let run = self.server.ca_path().parent().and_then(Path::parent).ok_or("no folder")?.to_owned();
        let (rules, kept) = (run.join("pg_hba.conf"), self.path("pg_hba.conf"));
        if refuse {
            std::fs::copy(&rules, &kept)?;
            std::fs::write(&rules, "local all rdsadmin trust\nhost all all all reject\n")?;
        } else {
            std::fs::write(&rules, std::fs::read(&kept)?)?;
        }
        self.as_superuser(&["SELECT pg_reload_conf()"]).await?;
        let changed = async {
            while self.master().await.is_err() != refuse {
                tokio::task::yield_now().await;
            }
        };
        Ok(tokio::time::timeout(TIMEOUT, changed).await?)
    }

    /// Returns a column of texts, read by the master user.
    pub(super) async fn column(&self, sql: &str) -> Result<Vec<String>> {
        column(&mut self.master().await?, sql).await
    }
}

impl Deployed for Deployment {
    fn aws(&self) -> &AwsApi {
        &self.aws
    }

    fn conf(&self) -> &RdsConf {
        &self.conf
    }

    fn signer(&self) -> Credentials {
        self.server.credentials()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path(name)
    }
}

/// Returns a column of texts.
pub(super) async fn column(connection: &mut PgConnection, sql: &str) -> Result<Vec<String>> {
    let rows: Vec<PgRow> = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>()?)
}

/// Waits until a query returns a row.
pub(super) async fn until_some(connection: &mut PgConnection, sql: &str) -> Result {
    let some = async {
        while column(connection, sql).await?.is_empty() {
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    tokio::time::timeout(TIMEOUT, some).await?
}

pub(super) async fn execute(connection: &mut PgConnection, sql: &str) -> Result {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await;
    done.map_err(|error| format!("{sql}: {error}"))?;
    Ok(())
}
