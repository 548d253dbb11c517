//! A deployment with PostgreSQL on this machine, and the program run against it.

use rds_iam_emulator_server::{CreatorEdges, Postgres, PostgresVersion, Runtime};
use rds_iam_infra::{Engine, RdsConf};
use rds_iam_sqlx::Credential;
use rds_iam_token::{Clock, Login, Minter, TokenSource};
use sqlx::postgres::PgConnection;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::support::{Deployed, Result, TIMEOUT, column, execute};

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

/// A deployment with PostgreSQL.
pub(super) type Deployment = Deployed<sqlx::Postgres>;

impl Deployment {
    pub(super) async fn start(version: PostgresVersion) -> Result<Self> {
        Self::start_as(version, CreatorEdges::DoNotCount).await
    }

    /// Starts a server that counts the membership of a role's creator, or does not.
    pub(super) async fn start_as(version: PostgresVersion, way: CreatorEdges) -> Result<Self> {
        let mut builder = Postgres::builder().runtime(Runtime::Process).version(version);
        if version != PostgresVersion::V15 {
            builder = builder.creator_edges(way);
        }
        let mut deployment = Self::start_with(builder, Engine::Postgres, "node_db", "").await?;
        deployment.declare(USERS)?;
        Ok(deployment)
    }

    /// Starts the program and does not wait for it.
    pub(super) fn spawn(&self, conf: &RdsConf) -> Result<Child> {
        let path = self.path("rds.conf");
        conf.write(&path)?;
        let mut command = self.command(&path);
        command.arg("--users").arg(self.path("users.toml")).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.spawn()?)
    }

    /// Connects as the master user to another database.
    pub(super) async fn master_in(&self, database: &str) -> Result<PgConnection> {
        let master = self.server.master();
        self.log_in(Some(database), master.username(), Credential::Password(master.password())).await
    }

    pub(super) async fn by_password(&self, user: &str, password: &str) -> Result<PgConnection> {
        self.log_in(None, user, Credential::Password(password)).await
    }

    /// Connects by token.
    pub(super) async fn by_iam(&self, user: &str) -> Result<PgConnection> {
        let login = Login::new(self.server.endpoint().clone(), self.server.region().clone(), user.parse()?);
        let minter = Minter::new(login, self.server.credentials(), Clock::system());
        let token = TokenSource::lazy(minter).token().await?;
        self.log_in(None, user, Credential::Token(&token)).await
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
