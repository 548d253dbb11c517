//! The master user's part of a run: its connection, the lock, and the protection of its login by password.

use super::Run;
use crate::access::{Access, ConnectionError, Secret};
use crate::plan::{Forecast, Plan, Step};
use crate::secret;
use crate::session::Session;
use crate::{BootstrapError, LockOut};

impl Run<'_> {
    /// Step 2, and the connection of step 3. The secret is fetched once.
    pub(super) async fn connect_as_master(&self) -> Result<Session<'_>, BootstrapError> {
        if self.master.get().is_none() {
            let fetched = secret::fetch(&self.settings.conf, &self.settings.aws).await?;
            self.progress.enter(Step::Admin);
            self.declared.refuse_master(&fetched.user)?;
            tracing::debug!(user = %fetched.user, "fetched the master user's credentials");
            // No other task sets it.
            drop(self.master.set(fetched));
        }
        let opened = self.declared.open_as_master(self.master_access()).await;
        opened.map_err(|error| self.no_connection("connecting", error))
    }

    fn master_access(&self) -> Access<'_> {
        let master = self.master.get().expect("the secret is fetched before the first connection");
        let secret = Secret::Password(&master.password);
        Access { target: &self.target, user: &master.user, secret }
    }

    /// Refuses a plan that would end the master user's login by password. Where only a test shows whether it would, makes
    /// the test, and returns true.
    pub(super) async fn protect_master(
        &self,
        master: &mut Session<'_>,
        plan: &Plan,
    ) -> Result<bool, BootstrapError> {
        let lock_out = |rule| BootstrapError::LockOut { step: Step::Admin, rule, made: 0 };
        match (&plan.path_before, &plan.path_after) {
            (_, Forecast::None) => Ok(false),
            (_, Forecast::LockOut { path }) => Err(lock_out(LockOut::Membership { path: path.clone() })),
            // The master user has such a membership already, and has just logged in.
            (Forecast::CreatorEdge { .. }, Forecast::CreatorEdge { .. }) => {
                master.allow_creators();
                Ok(false)
            }
            (_, Forecast::CreatorEdge { .. }) => {
                let counts = master.test_creators(self.master_access()).await;
                if counts.map_err(|error| self.no_connection("testing the master user's login", error))? {
                    return Err(lock_out(LockOut::Creator));
                }
                master.allow_creators();
                Ok(true)
            }
        }
    }

    pub(super) async fn lock(&self, master: &mut Session<'_>) -> Result<(), BootstrapError> {
        let taken = master.lock(self.master_access()).await;
        let taken = taken.map_err(|error| self.no_connection("taking the lock", error))?;
        taken.map_err(|holder| BootstrapError::Busy { holder })
    }

    fn no_connection(&self, doing: &str, error: ConnectionError) -> BootstrapError {
        let (step, made) = (self.progress.step(), self.progress.made());
        match error {
            ConnectionError::Connect(source) => {
                let is_wrong = self.declared.is_wrong_password(&source);
                let help = if is_wrong { WRONG_PASSWORD } else { source.hint() }.to_owned();
                self.connect_error(step, *source, help)
            }
            ConnectionError::Missing(missing) => missing.into(),
            ConnectionError::LockedOut => BootstrapError::LockOut { step, rule: LockOut::Refused, made },
            ConnectionError::Statement(error) => self.progress.failed(step, doing, error),
        }
    }
}

const WRONG_PASSWORD: &str = "The server does not accept the password in the master secret: it is out of date, or belongs to another instance. Check MASTER_SECRET_NAME against RDS_ENDPOINT.";
