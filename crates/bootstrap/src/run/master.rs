//! The master user's part of a run: its connection, the lock, and the protection of its login by password.

use std::time::Duration;

use rds_iam_sqlx::Credential;

use super::Run;
use crate::access::{Access, ConnectionError};
use crate::plan::{Actor, Forecast, Plan, Step};
use crate::secret;
use crate::session::Session;
use crate::{BootstrapError, LockOut};

/// The time after which a refused login as the master user is tried again: a server that restarts refuses logins too.
const MASTER_RETRY: Duration = Duration::from_secs(1);

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
        let access = self.master_access();
        let master = self.master.get().map(|master| &master.user);
        match self.declared.open(access, Actor::Master, master).await {
            Err(refused) if self.declared.may_be_locked_out(&refused) => {
                tokio::time::sleep(MASTER_RETRY).await;
                self.declared.open(access, Actor::Master, master).await
            }
            opened => opened,
        }
        .map_err(|source| self.master_not_connected(source))
    }

    fn master_access(&self) -> Access<'_> {
        let master = self.master.get().expect("the secret is fetched before the first connection");
        let credential = Credential::Password(&master.password);
        Access { target: &self.target, user: &master.user, credential }
    }

    fn master_not_connected(&self, source: rds_iam_sqlx::Error) -> BootstrapError {
        let (step, made) = (self.progress.step(), self.progress.made());
        if self.declared.may_be_locked_out(&source) {
            return BootstrapError::LockOut { step, rule: LockOut::Refused, made };
        }
        if let Some(missing) = self.declared.missing_database(&source) {
            return missing.into();
        }
        let help = if self.declared.is_wrong_password(&source) { WRONG_PASSWORD } else { source.hint() };
        let help = help.to_owned();
        BootstrapError::Connect { step, source: Box::new(source), help, made }
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
        match error {
            ConnectionError::Connect(source) => self.master_not_connected(*source),
            ConnectionError::Statement(error) => self.progress.failed(Step::Admin, doing, error),
        }
    }
}

const WRONG_PASSWORD: &str = "The server does not accept the password in the master secret: it is out of date, or belongs to another instance. Check MASTER_SECRET_NAME against RDS_ENDPOINT.";
