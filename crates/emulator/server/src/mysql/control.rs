//! Controls of a MySQL server alone.

use rds_iam_emulator_control::AuthSwitch;

use crate::error::Error;
use crate::server::Server;
use crate::server::kind::launch::Root as _;

impl Server<sqlx::MySql> {
    /// Sets the data in the server's request for a token: empty as on RDS, which is the default, or the data
    /// of a stock server's plugins.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the server's folder is gone.
    pub fn set_auth_switch(&self, form: AuthSwitch) -> Result<(), Error> {
        self.change(|state| state.auth_switch = form)
    }

    /// Runs a statement as root, for states that no user of RDS could make, and for what a parameter group sets there,
    /// such as `SET GLOBAL local_infile = ON`.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if it fails.
    pub async fn as_superuser(&self, sql: impl Into<String>) -> Result<(), Error> {
        let mut root = self.root("let root in").await?;
        root.execute(sql.into(), "run a statement of root").await?;
        root.close().await;
        Ok(())
    }
}
