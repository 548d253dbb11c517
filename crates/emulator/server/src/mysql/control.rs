//! Controls of a MySQL server alone.

use rds_iam_emulator_control::AuthSwitch;

use crate::error::Error;
use crate::server::Server;

impl Server<sqlx::MySql> {
    /// Sets the data in the server's request for a token: empty as on RDS, which is the default, or the data
    /// of a stock server's plugins.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the server's folder is gone.
    pub fn set_auth_switch(&self, form: AuthSwitch) -> Result<(), Error> {
        self.change(|state| state.auth_switch = form)
    }
}
