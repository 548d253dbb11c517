//! Controls of a PostgreSQL server alone.

use std::sync::PoisonError;

use rds_iam_emulator_control::{Counter, Refuse};

use super::config;
use super::root::Root;
use super::versions::{CreatorEdges, PostgresVersion, Settings};
use crate::error::Error;
use crate::server::Server;
use crate::server::kind::launch::Root as _;

impl Server<sqlx::Postgres> {
    /// Returns the server's version.
    #[must_use]
    pub fn version(&self) -> PostgresVersion {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).version()
    }

    /// Refuses the next `count` logins over the network with SQLSTATE 53300, "IAM authentication rate limit exceeded",
    /// as RDS Proxy does; zero cancels an earlier order.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the server's folder is gone.
    pub fn throttle_next(&self, count: u32) -> Result<(), Error> {
        let mut order = Refuse::default();
        self.change(|state| {
            state.throttle = Refuse { serial: state.throttle.serial + 1, count };
            order = state.throttle;
        })?;
        let control = self.folder().control();
        Counter::Throttle.write(&control, order).map_err(Error::io("write into", &control))
    }

    /// Sets whether the memberships that PostgreSQL 16 and later give the creator of a role count for `rds_iam`.
    ///
    /// # Errors
    /// Returns [`Error::Setting`] on PostgreSQL 15, which makes no such memberships, and [`Error::Database`] if the
    /// server does not answer.
    pub async fn set_creator_edges(&self, way: CreatorEdges) -> Result<(), Error> {
        if !self.version().has_creator_edges() {
            return Err(Error::Setting {
                setting: "the effect of creator memberships",
                value: format!("{way:?}"),
                problem: "PostgreSQL 15 makes none: start PostgreSQL 16 or later".into(),
            });
        }
        let value = config::creator_edges(way);
        self.change_settings(|settings| settings.creator_edges = way, "rds_iam.creator_edges", value).await?;
        // The module computes the memberships that follow from it when a transaction changes roles.
        self.as_superuser("ALTER ROLE rds_iam NOLOGIN").await
    }

    /// Sets the parameter `rds.force_ssl`, which is on by default: off, users with passwords are let in without TLS.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if the server does not answer.
    pub async fn set_force_ssl(&self, on: bool) -> Result<(), Error> {
        let value = if on { "on" } else { "off" };
        self.change_settings(|settings| settings.force_ssl = on, "rds.force_ssl", value).await
    }

    /// Runs statements as the superuser, in the database [`Server::database`], for states that no user of RDS could
    /// make.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if one fails.
    pub async fn as_superuser(&self, sql: impl Into<String>) -> Result<(), Error> {
        let (run, port) = (self.folder().run(), self.inner_port());
        let root = Root::connect_to(&run, port, self.database()).await;
        let mut root = root.map_err(Error::database("let the superuser in"))?;
        root.execute(sql.into(), "run a statement of the superuser").await?;
        root.close().await;
        Ok(())
    }

    async fn change_settings(
        &self,
        change: impl FnOnce(&mut Settings),
        setting: &'static str,
        value: &str,
    ) -> Result<(), Error> {
        let changed = {
            let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut settings);
            settings.clone()
        };
        config::write_changeable(&self.folder().run(), &changed)?;
        let mut root = self.root("answer").await?;
        root.reload(setting, value).await?;
        root.close().await;
        Ok(())
    }
}
