//! A run that only reads: `--plan` and `--check`.

use rds_iam_report::ErrorReport;
use rds_iam_token::ErrorKind;

use super::Run;
use crate::plan::{Action, Actor, Plan, PlanError, Step, Warning};
use crate::{BootstrapError, Outcome, Report};

/// The plan that the IAM admin made, or why it made none.
enum AdminsPlan {
    Made(Plan),
    /// The admin doesn't see everything.
    Blind,
    /// The server refused its login.
    Refused(rds_iam_sqlx::Error),
}

impl Run<'_> {
    pub(super) async fn compare(&self) -> Result<Report, BootstrapError> {
        let (mut plan, read_as) = match self.plan_as_admin().await? {
            AdminsPlan::Made(plan) => (plan, Actor::Admin),
            AdminsPlan::Blind => (self.plan_as_master().await?, Actor::Master),
            AdminsPlan::Refused(refused) => {
                let mut plan = self.plan_as_master().await?;
                self.warn_of_refused_admin(&mut plan, &refused);
                (plan, Actor::Master)
            }
        };
        // Only the right to read the catalog is missing, which the server may refuse to grant: no drift.
        if plan.actions.iter().all(Action::is_optional) {
            plan.replace_denied(Action::is_optional);
        }
        let outcome = if plan.actions.is_empty() { Outcome::Clean } else { Outcome::Drift };
        Ok(self.report(outcome, read_as, plan, Vec::new()))
    }

    /// Warns that the server refused the IAM admin's login, unless the plan has actions that may be the remedy.
    fn warn_of_refused_admin(&self, plan: &mut Plan, refused: &rds_iam_sqlx::Error) {
        let admin = self.declared.admin();
        let of_admin =
            |action: &Action| action.step == Step::Admin && action.account.as_ref() == Some(&admin.account);
        if plan.actions.iter().any(of_admin) {
            return;
        }
        let text = format!(
            "the server refused the IAM admin {}, so the master user read it: {}; a token is for one host and port (RDS_ENDPOINT, RDS_PORT), and its signer needs rds-db:connect for {}",
            admin.account,
            ErrorReport(refused),
            admin.user,
        );
        plan.warnings.push(Warning { text, refused_account: None, locked_account: None });
    }

    /// Returns the plan as the admin sees it, unless the admin can't log in or doesn't see everything.
    async fn plan_as_admin(&self) -> Result<AdminsPlan, BootstrapError> {
        let admin = self.declared.admin();
        let mut session = match self.connect_by_iam(&admin, Step::Credentials).await? {
            Ok(session) => session,
            Err(denied) if denied.kind() == ErrorKind::Denied => {
                tracing::info!(user = %admin.user, "the IAM admin can't log in (yet); reading as the master user");
                return Ok(AdminsPlan::Refused(denied));
            }
            Err(source) => {
                return Err(self.not_connected(Step::Switch, &admin, source, &Plan::default()));
            }
        };
        let plan = session.plan().await;
        session.close().await;
        let is_blind = match &plan {
            Ok(_) => false,
            Err(PlanError::Missing(missing)) => missing.may_be_hidden,
            Err(PlanError::Unsupported(_)) => false,
            Err(PlanError::Statement(error)) => error.denied,
        };
        if is_blind {
            tracing::info!(user = %admin.user, "the IAM admin doesn't see everything; reading as the master user");
            return Ok(AdminsPlan::Blind);
        }
        plan.map(AdminsPlan::Made).map_err(|error| self.no_plan(Step::Switch, error))
    }

    async fn plan_as_master(&self) -> Result<Plan, BootstrapError> {
        let mut master = self.connect_as_master().await?;
        let plan = self.plan(&mut master, Step::Admin).await;
        master.close().await;
        plan
    }
}
