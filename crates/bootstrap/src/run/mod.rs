//! `run`: makes the database server match the declaration in six steps, or reports the differences.

mod compare;
mod master;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use rds_iam_infra::Engine;
use rds_iam_infra::remedy::{self, Refusal};
use rds_iam_sqlx::Target;
use rds_iam_token::{DbUser, ErrorKind, MintError, Minter, TokenSource};

use crate::access::{Access, ExecuteError, Secret};
use crate::groups::{by_account, groups};
use crate::plan::{Action, Actor, Forecast, Login, Plan, PlanError, Step};
use crate::progress::Progress;
use crate::secret::Master;
use crate::session::{Declared, Session};
use crate::{BootstrapError, LockOutReport, LoginCheck, LoginResult, Mode, Outcome, Report, Settings};

/// The number of users that a run logs in as at most.
const LOGINS_TRIED: usize = 10;

/// The time limit for a connection to PostgreSQL: a paused Aurora cluster takes about 15 s to resume.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(40);

/// Makes the server match the declaration, or reports the difference.
///
/// A run that applies always fetches the master user's credentials. One that only reads uses the IAM admin's own login
/// if that works and sees everything, and the master user otherwise: before the first run there is no admin.
///
/// # Errors
/// Returns [`BootstrapError`] with the step and the remedy. After any failure, the next run finishes the job.
pub async fn run(settings: Settings) -> Result<Report, BootstrapError> {
    run_until(settings, std::future::pending()).await
}

/// Does what [`run()`] does, but ends when `stop` does, as at its time limit: the connections are closed, and the
/// changes made until then stay.
///
/// # Errors
/// Returns [`BootstrapError::Stopped`] if `stop` ended first, and otherwise the errors of [`run()`].
pub async fn run_until(settings: Settings, stop: impl Future<Output = ()>) -> Result<Report, BootstrapError> {
    let declared = Declared::new(&settings.declaration, &settings.conf)?;
    let roots = settings.conf.roots(settings.clock.now())?;
    let mut target =
        Target::new(settings.conf.endpoint.clone(), roots.pem()).dial(settings.conf.connect_to().clone());
    if settings.conf.engine == Engine::Postgres {
        target = target.connect_timeout(CONNECT_TIMEOUT);
    }
    let (progress, master) = (Progress::new(), OnceLock::new());
    let run = Run { settings: &settings, declared: &declared, target, progress, master };
    // On the heap: the compiler's limit for nested futures is near.
    let work = Box::pin(async {
        match settings.mode {
            Mode::Apply => run.apply().await,
            Mode::Plan | Mode::Check => run.compare().await,
        }
    });
    let limited = async {
        match settings.time_limit {
            None => work.await,
            Some(limit) => {
                let ended = tokio::time::timeout(limit, work).await;
                ended.unwrap_or_else(|_| Err(run.progress.out_of_time(limit)))
            }
        }
    };
    tokio::select! {
        // A signal that came before the run stops it before its first call.
        biased;
        () = stop => Err(run.progress.stopped()),
        done = limited => done,
    }
}

struct Run<'a> {
    settings: &'a Settings,
    declared: &'a Declared,
    target: Target,
    progress: Progress,
    master: OnceLock<Master>,
}

impl Run<'_> {
    async fn apply(&self) -> Result<Report, BootstrapError> {
        let admin = self.declared.admin();
        // Steps 1 and 2. Signing needs no network: missing credentials are reported before anything else.
        self.tokens(&admin.user, Step::Credentials).await?;
        let mut master = self.connect_as_master().await?;
        self.lock(&mut master).await?;

        // Step 3.
        let mut plan = self.plan(&mut master, Step::Admin).await?;
        self.progress.plan(plan.actions.len());
        let tested = self.protect_master(&mut master, &plan).await?;
        let mut denied = Vec::new();
        let first: Vec<_> =
            plan.actions.iter().filter(|action| action.step == Step::Admin).cloned().collect();
        for actions in groups(&first) {
            self.execute(&mut master, actions, &mut denied).await?;
        }
        plan.undo_delegation(&denied);

        // Step 4.
        self.progress.enter(Step::Switch);
        let by_iam = self.connect_by_iam(&admin, Step::Switch).await?;
        let mut by_iam = by_iam.map_err(|source| self.not_connected(Step::Switch, &admin, source, &plan))?;
        if plan.path_after != Forecast::None {
            by_iam.allow_creators();
        }

        // Step 5.
        self.progress.enter(Step::Users);
        let then: Vec<_> = plan.actions.iter().filter(|action| action.step != Step::Admin).cloned().collect();
        self.execute_all(&mut master, &mut by_iam, &then, &mut denied).await?;
        plan.replace_denied(|action| denied.contains(action));

        // Step 6.
        self.progress.enter(Step::Verify);
        let mut verified = self.plan_again(&mut master, &mut by_iam).await?;
        if plan.creates_objects() && verified.is_of_privileges() {
            // A new table or extension may bring objects that the plan could not foresee, such as a sequence whose usual
            // name is taken.
            self.progress.plan(self.progress.made() + verified.actions.len());
            self.execute_all(&mut master, &mut by_iam, &verified.actions, &mut denied).await?;
            plan.actions.append(&mut verified.actions);
            verified = self.plan_again(&mut master, &mut by_iam).await?;
        }
        if !verified.actions.is_empty() {
            return Err(BootstrapError::Differs { left: verified.actions, made: self.progress.made() });
        }
        let logins = self.log_in_as_users(&plan, &verified).await?;
        by_iam.close().await;
        master.close().await;
        let verified = self.declared.protects_master();
        if verified {
            // Its password may have ended by what another program did meanwhile.
            self.connect_as_master().await?.close().await;
        }
        let outcome = if plan.actions.is_empty() { Outcome::Clean } else { Outcome::Changed };
        let mut report = self.report(outcome, Actor::Master, plan, logins);
        if let Some(lock_out) = &mut report.lock_out {
            lock_out.tested = tested;
            lock_out.verified = Some(verified);
        }
        Ok(report)
    }

    /// Makes changes, each as its actor.
    async fn execute_all<'s>(
        &self,
        master: &mut Session<'s>,
        by_iam: &mut Session<'s>,
        actions: &[Action],
        denied: &mut Vec<Action>,
    ) -> Result<(), BootstrapError> {
        for actions in groups(actions) {
            let by_master = actions.first().is_some_and(|action| action.actor == Actor::Master);
            let session = if by_master { &mut *master } else { &mut *by_iam };
            self.execute(session, actions, denied).await?;
        }
        Ok(())
    }

    /// Returns what is left to do after all changes.
    async fn plan_again(
        &self,
        master: &mut Session<'_>,
        by_iam: &mut Session<'_>,
    ) -> Result<Plan, BootstrapError> {
        let mut plan = match self.plan(by_iam, Step::Verify).await {
            Err(error) if error.is_denied() => self.plan(master, Step::Verify).await?,
            plan => plan?,
        };
        plan.replace_denied(Action::is_optional);
        Ok(plan)
    }

    /// Makes the changes of a transaction. If the server refuses those of several accounts, repeats them account by account:
    /// the error is that of the account to blame, and those before it are done.
    async fn execute(
        &self,
        session: &mut Session<'_>,
        actions: &[Action],
        denied: &mut Vec<Action>,
    ) -> Result<(), BootstrapError> {
        let accounts = by_account(actions);
        if accounts.len() > 1 {
            match self.progress.execute(session, actions).await {
                Err(error) if error.is_refused() => {
                    let count = accounts.len();
                    tracing::info!(
                        "the changes of {count} accounts were refused together; making them one by one"
                    );
                }
                done => return done.map_err(|error| self.progress.not_made(actions, error)),
            }
        }
        for actions in &accounts {
            self.execute_alone(session, actions, denied).await?;
        }
        Ok(())
    }

    /// Makes changes of one account. If the server denies one that the run can do without, notes that.
    async fn execute_alone(
        &self,
        session: &mut Session<'_>,
        actions: &[Action],
        denied: &mut Vec<Action>,
    ) -> Result<(), BootstrapError> {
        match (self.progress.execute(session, actions).await, actions) {
            (Err(ExecuteError::Statement(error)), [action]) if action.is_optional() && error.denied => {
                denied.push(action.clone());
                self.progress.skip(1);
                Ok(())
            }
            (done, _) => done.map_err(|error| self.progress.not_made(actions, error)),
        }
    }

    async fn plan(&self, session: &mut Session<'_>, step: Step) -> Result<Plan, BootstrapError> {
        session.plan().await.map_err(|error| self.no_plan(step, error))
    }

    fn no_plan(&self, step: Step, error: PlanError) -> BootstrapError {
        match error {
            PlanError::Missing(missing) => missing.into(),
            PlanError::Unsupported(unsupported) => unsupported.into(),
            PlanError::Statement(error) => self.progress.failed(step, "reading the catalog", error),
        }
    }

    /// Returns the tokens of a user, of which one is signed: missing credentials are an error of this program's caller.
    async fn tokens(&self, user: &DbUser, step: Step) -> Result<TokenSource, BootstrapError> {
        let made = self.progress.made();
        let failed = |source| BootstrapError::Credentials { step, made, source };
        let Settings { conf, aws, clock, .. } = self.settings;
        let login = rds_iam_token::Login::new(conf.endpoint.clone(), conf.region.clone(), user.clone());
        let Some(credentials) = aws.credentials_provider() else {
            let source =
                MintError::NotConfigured { source: Arc::new(CredentialsError::not_loaded_no_source()) };
            return Err(failed(source));
        };
        let tokens = TokenSource::lazy(Minter::new(login, credentials, clock.clone()));
        tokens.token().await.map_err(failed)?;
        Ok(tokens)
    }

    async fn connect_by_iam(
        &self,
        login: &Login,
        step: Step,
    ) -> Result<Result<Session<'_>, rds_iam_sqlx::Error>, BootstrapError> {
        let tokens = self.tokens(&login.user, step).await?;
        let access = Access { target: &self.target, user: &login.user, secret: Secret::Tokens(&tokens) };
        let master = self.master.get().map(|master| &master.user);
        Ok(self.declared.open(access, master).await)
    }

    fn not_connected(
        &self,
        step: Step,
        login: &Login,
        source: rds_iam_sqlx::Error,
        plan: &Plan,
    ) -> BootstrapError {
        let conf = &self.settings.conf;
        let mut help = source.hint().to_owned();
        let tried = rds_iam_token::Login::new(conf.endpoint.clone(), conf.region.clone(), login.user.clone());
        let refusal = Refusal {
            engine: conf.engine,
            login: &tried,
            code: source.code(),
            account: conf.account_id.as_ref(),
            resource: conf.resource_id.as_ref(),
            privileges: &[],
            database: None,
        };
        if let Some(remedy) = remedy::for_refusal(&refusal) {
            let refusals: String =
                plan.refusals(&login.account).map(|warning| format!("{warning}\n")).collect();
            help.push_str(&format!("\n{refusals}{remedy}"));
        }
        self.connect_error(step, source, help)
    }

    fn connect_error(&self, step: Step, source: rds_iam_sqlx::Error, help: String) -> BootstrapError {
        if let rds_iam_sqlx::Error::OtherEngine { subject, found, .. } = &source {
            let (engine, address) = (self.settings.conf.engine.as_str(), subject.dial.to_string());
            return BootstrapError::OtherEngine { engine, found, address };
        }
        if let Some(missing) = self.declared.missing_database(&source) {
            return missing.into();
        }
        BootstrapError::Connect { step, source: Box::new(source), help, made: self.progress.made() }
    }

    /// Logs in as declared users: first as those that were changed. Only as a few of many: AWS limits logins by token,
    /// and the catalog shows already that all accounts are alike.
    async fn log_in_as_users(&self, plan: &Plan, verified: &Plan) -> Result<Vec<LoginCheck>, BootstrapError> {
        let changed: BTreeSet<_> = plan.actions.iter().filter_map(|action| action.account.as_ref()).collect();
        let users = self.declared.users().into_iter();
        let (first, then): (Vec<_>, Vec<_>) = users.partition(|login| changed.contains(&login.account));
        let mut logins = Vec::new();
        for login in first.into_iter().chain(then).take(LOGINS_TRIED) {
            let result = self.log_in(&login, verified).await?;
            logins.push(LoginCheck { account: login.account, user: login.user, result });
        }
        Ok(logins)
    }

    async fn log_in(&self, login: &Login, verified: &Plan) -> Result<LoginResult, BootstrapError> {
        match self.connect_by_iam(login, Step::Verify).await? {
            Ok(mut session) => {
                let current_user = session.current_user().await.map_err(|error| {
                    self.progress.failed(Step::Verify, "asking for the current user", error)
                })?;
                session.close().await;
                Ok(LoginResult::Ok { current_user })
            }
            Err(refused) if self.declared.is_locked(&refused) => Ok(LoginResult::Locked),
            Err(refused) if refused.kind() == ErrorKind::Denied => {
                if verified.is_locked(&login.account) {
                    Ok(LoginResult::Locked)
                } else if verified.refusals(&login.account).next().is_some() {
                    Ok(LoginResult::CertificateRequired)
                } else {
                    Ok(LoginResult::NotPermitted)
                }
            }
            Err(source) => Err(self.not_connected(Step::Verify, login, source, &Plan::default())),
        }
    }

    fn report(&self, outcome: Outcome, read_as: Actor, plan: Plan, logins: Vec<LoginCheck>) -> Report {
        Report {
            mode: self.settings.mode,
            outcome,
            endpoint: self.settings.conf.endpoint.to_string(),
            database: self.settings.conf.database.to_string(),
            read_as,
            actions: plan.actions,
            warnings: plan.warnings,
            logins_not_tried: match self.settings.mode {
                Mode::Apply => self.declared.users().len() - logins.len(),
                Mode::Plan | Mode::Check => 0,
            },
            logins,
            lock_out: self.declared.protects_master().then_some(LockOutReport {
                forecast: plan.path_after,
                tested: false,
                verified: None,
            }),
        }
    }
}
