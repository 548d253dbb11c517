//! The six steps.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use rds_iam_infra::{RdsConf, remedy};
use rds_iam_pool::{Credential, PoolError, Remedy, Target, connect};
use rds_iam_token::{Clock, DbUser, Login, MintError, Minter, Token, TokenSource};
use serde::Serialize;
use sqlx::Connection;
use sqlx::mysql::MySqlConnection;

use crate::mysql::{self, Account, Action, Actor, Observed, ObservedAccount, Plan, Step, Warning, answer};
use crate::progress::Progress;
use crate::secret::{self, Master};
use crate::{BootstrapError, Declaration, LoginCheck, LoginResult, Outcome, Report};

/// How long Secrets Manager may take, all attempts together.
const SECRET_TIMEOUT: Duration = Duration::from_secs(20);

/// As how many users a run logs in at most.
const LOGINS_TRIED: usize = 10;

/// The account is locked, or blocked after failed logins. Source: MySQL's "Server Error Message Reference".
const LOCKED: [u16; 2] = [3118, 3955];

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Make what differs as declared.
    Apply,
    /// Show what differs and the SQL that would mend it.
    Plan,
    /// The same, for a program that looks at the exit status.
    Check,
}

/// All that a run depends on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The deployment.
    pub conf: RdsConf,
    /// What should exist there.
    pub declaration: Declaration,
    /// What to do about it.
    pub mode: Mode,
    /// The AWS configuration: the caller's credentials, and how to reach Secrets Manager.
    pub aws: SdkConfig,
    /// The time.
    pub clock: Clock,
    /// How long the run may take; `None` is without end. What was done by then stays, and running it again
    /// does the rest.
    pub time_limit: Option<Duration>,
}

impl Settings {
    /// Settings with AWS's default credential chain, the region of `rds.conf` and the system's clock.
    pub async fn load(conf: RdsConf, declaration: Declaration, mode: Mode) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(SECRET_TIMEOUT).build();
        let aws = aws_config::defaults(BehaviorVersion::latest())
            .region(aws_config::Region::new(conf.region.to_string()))
            .timeout_config(timeouts)
            .load()
            .await;
        Self { conf, declaration, mode, aws, clock: Clock::system(), time_limit: None }
    }
}

/// Makes the server as declared, or tells what differs.
///
/// A run that applies fetches the master user's credentials, always. One that only looks is content with
/// the IAM admin's own login where that works and sees everything, and falls back on the master user
/// where it doesn't: before the first run there is no admin.
///
/// # Errors
/// [`BootstrapError`] names the step and says what to do. Whatever failed, running it again is safe, and
/// finishes the job.
pub async fn run(settings: Settings) -> Result<Report, BootstrapError> {
    let roots = settings.conf.roots(settings.clock.now())?;
    let target =
        Target::new(settings.conf.endpoint.clone(), roots.pem()).dial(settings.conf.connect_to().clone());
    let run = Run { target, settings: &settings, progress: Progress::new() };
    let work = async {
        match settings.mode {
            Mode::Apply => run.apply().await,
            Mode::Plan | Mode::Check => run.look().await,
        }
    };
    match settings.time_limit {
        None => work.await,
        Some(limit) => {
            let ended = tokio::time::timeout(limit, work).await;
            ended.unwrap_or_else(|_| Err(run.progress.out_of_time(limit)))
        }
    }
}

struct Run<'a> {
    settings: &'a Settings,
    target: Target,
    progress: Progress,
}

impl Run<'_> {
    async fn apply(&self) -> Result<Report, BootstrapError> {
        let declaration = &self.settings.declaration;
        let admin = declaration.admin().login();
        // Steps 1 and 2. Signing needs no network: it tells about missing credentials before all else.
        self.token(&admin, Step::Credentials).await?;
        let mut master = self.master().await?;
        let taken = answer(mysql::take_lock(&mut master)).await;
        let taken =
            taken.map_err(self.progress.failed(Step::Admin, Actor::Master, "taking the lock".into()))?;
        taken.map_err(|holder| BootstrapError::Busy { holder })?;

        // Step 3.
        let observed = self.observe(&mut master, Step::Admin, Actor::Master).await?;
        let mut plan = mysql::plan(declaration, &observed)?;
        self.progress.plan(plan.actions.len());
        let mut refused = Vec::new();
        for action in plan.actions.iter().filter(|action| action.step == Step::Admin) {
            match self.progress.execute(&mut master, action).await {
                Err(error) if action.is_optional() && error.is_denied() => refused.push(action.clone()),
                done => done?,
            }
        }
        if !refused.is_empty() {
            plan.actions.retain(|action| !refused.contains(action));
            plan.warnings.push(Warning::ClosedCatalog { account: declaration.admin().clone() });
            self.progress.plan(plan.actions.len());
        }

        // Step 4.
        self.progress.enter(Step::Switch);
        let by_iam = self.connect_by_iam(&admin, Step::Switch).await?;
        let mut by_iam = by_iam.map_err(|source| self.not_connected(Step::Switch, &admin, source, &plan))?;

        // Step 5.
        self.progress.enter(Step::Users);
        for action in plan.actions.iter().filter(|action| action.step != Step::Admin) {
            let connection = if action.actor == Actor::Master { &mut master } else { &mut by_iam };
            self.progress.execute(connection, action).await?;
        }

        // Step 6.
        self.progress.enter(Step::Verify);
        let observed = match self.observe(&mut by_iam, Step::Verify, Actor::Admin).await {
            Err(error) if error.is_denied() => self.observe(&mut master, Step::Verify, Actor::Master).await?,
            observed => observed?,
        };
        let mut left = mysql::plan(declaration, &observed)?.actions;
        left.retain(|action| !action.is_optional());
        if !left.is_empty() {
            return Err(BootstrapError::Differs { left, made: self.progress.made() });
        }
        let logins = self.log_in_as_users(&plan, &observed).await?;
        close(by_iam).await;
        close(master).await;
        let outcome = if plan.actions.is_empty() { Outcome::Clean } else { Outcome::Changed };
        Ok(self.report(outcome, Actor::Master, plan, logins))
    }

    async fn look(&self) -> Result<Report, BootstrapError> {
        let (observed, read_as) = match self.look_as_admin().await? {
            Some(observed) => (observed, Actor::Admin),
            None => (self.look_as_master().await?, Actor::Master),
        };
        let mut plan = mysql::plan(&self.settings.declaration, &observed)?;
        // Nothing but the right to read the catalog, which the server may refuse to grant: no drift.
        if !plan.actions.is_empty() && plan.actions.iter().all(Action::is_optional) {
            plan.actions.clear();
            let account = self.settings.declaration.admin().clone();
            plan.warnings.push(Warning::ClosedCatalog { account });
        }
        let outcome = if plan.actions.is_empty() { Outcome::Clean } else { Outcome::Drift };
        Ok(self.report(outcome, read_as, plan, Vec::new()))
    }

    async fn observe(
        &self,
        connection: &mut MySqlConnection,
        step: Step,
        actor: Actor,
    ) -> Result<Observed, BootstrapError> {
        let observed = mysql::observe(connection, &self.settings.declaration).await;
        observed.map_err(self.progress.failed(step, actor, "reading the catalog".into()))
    }

    /// What the admin sees, unless it can't log in or doesn't see everything.
    async fn look_as_admin(&self) -> Result<Option<Observed>, BootstrapError> {
        let declaration = &self.settings.declaration;
        let admin = declaration.admin().login();
        let connecting = self.connect_by_iam(&admin, Step::Credentials);
        let mut connection = match connecting.await? {
            Ok(connection) => connection,
            Err(denied) if denied.remedy() == Remedy::Permit => {
                tracing::info!(user = %admin, "the IAM admin can't log in (yet); reading as the master user");
                return Ok(None);
            }
            Err(source) => {
                return Err(self.not_connected(Step::Switch, &admin, source, &Plan::default()));
            }
        };
        let observed = self.observe(&mut connection, Step::Switch, Actor::Admin).await;
        close(connection).await;
        match observed {
            // A database without any privilege is one that isn't seen.
            Ok(observed) if declaration.databases().iter().all(|name| observed.databases.contains(*name)) => {
                Ok(Some(observed))
            }
            Err(error) if !error.is_denied() => Err(error),
            Ok(_) | Err(_) => {
                tracing::info!(user = %admin, "the IAM admin doesn't see everything; reading as the master user");
                Ok(None)
            }
        }
    }

    async fn look_as_master(&self) -> Result<Observed, BootstrapError> {
        let mut master = self.master().await?;
        let observed = self.observe(&mut master, Step::Admin, Actor::Master).await;
        close(master).await;
        observed
    }

    /// Step 2, and the connection of step 3.
    async fn master(&self) -> Result<MySqlConnection, BootstrapError> {
        let Master { user, password } = secret::fetch(&self.settings.conf, &self.settings.aws).await?;
        self.progress.enter(Step::Admin);
        self.settings.declaration.refuse_master(user.as_str())?;
        tracing::debug!(%user, "fetched the master user's credentials");
        let connected = connect(&self.target, &user, Credential::Password(&password)).await;
        connected.map_err(|source| BootstrapError::Connect {
            step: Step::Admin,
            source: Box::new(source),
            mend: None,
            made: 0,
        })
    }

    async fn token(&self, user: &DbUser, step: Step) -> Result<Token, BootstrapError> {
        let made = self.progress.made();
        let failed = |source| BootstrapError::Credentials { step, made, source };
        let Settings { conf, aws, clock, .. } = self.settings;
        let login = Login::new(conf.endpoint.clone(), conf.region.clone(), user.clone());
        let Some(credentials) = aws.credentials_provider() else {
            let source =
                MintError::NotConfigured { source: Arc::new(CredentialsError::not_loaded_no_source()) };
            return Err(failed(source));
        };
        let tokens = TokenSource::lazy(Minter::new(login, credentials, clock.clone()));
        tokens.token().await.map_err(failed)
    }

    async fn connect_by_iam(
        &self,
        user: &DbUser,
        step: Step,
    ) -> Result<Result<MySqlConnection, PoolError>, BootstrapError> {
        let token = self.token(user, step).await?;
        Ok(connect(&self.target, user, Credential::Token(&token)).await)
    }

    fn not_connected(&self, step: Step, user: &DbUser, source: PoolError, plan: &Plan) -> BootstrapError {
        let conf = &self.settings.conf;
        let mend = (source.remedy() == Remedy::Permit).then(|| {
            let (account, resource) = (conf.account_id.as_ref(), conf.resource_id.as_ref());
            let statement = remedy::policy_statement(&conf.region, account, resource, user);
            let sql = remedy::user_statements(conf.engine, user);
            let stricter = plan.warnings.iter().filter(
                |warning| matches!(warning, Warning::StricterTls { account } if account.login() == *user),
            );
            let stricter: String = stricter.map(|warning| format!("{warning}\n")).collect();
            format!("{stricter}The statement that the caller's role needs:\n{statement}\nThe user that the server needs:\n{sql}")
        });
        BootstrapError::Connect { step, source: Box::new(source), mend, made: self.progress.made() }
    }

    /// Logs in as declared users: first as those that were changed. Not as all of many: AWS limits logins by
    /// token, and the catalog shows already that all accounts are alike.
    async fn log_in_as_users(
        &self,
        plan: &Plan,
        observed: &Observed,
    ) -> Result<Vec<LoginCheck>, BootstrapError> {
        let changed: BTreeSet<_> = plan.actions.iter().filter_map(|action| action.change.account()).collect();
        let users = self.settings.declaration.users().iter().map(|user| &user.account);
        let (first, then): (Vec<_>, Vec<_>) = users.partition(|account| changed.contains(account));
        let mut logins = Vec::new();
        for account in first.into_iter().chain(then).take(LOGINS_TRIED) {
            logins.push(self.log_in(account, observed).await?);
        }
        Ok(logins)
    }

    async fn log_in(&self, account: &Account, observed: &Observed) -> Result<LoginCheck, BootstrapError> {
        let user = account.login();
        let found = observed.accounts.get(account);
        let result = match self.connect_by_iam(&user, Step::Verify).await? {
            Ok(mut connection) => {
                let asked = sqlx::query_scalar("SELECT CURRENT_USER()").fetch_one(&mut connection);
                let current_user = answer(asked).await;
                let failed = self.progress.failed(Step::Verify, Actor::Admin, "asking who one is".into());
                let current_user = current_user.map_err(failed)?;
                close(connection).await;
                LoginResult::Ok { current_user }
            }
            Err(refused) if LOCKED.iter().any(|locked| refused.number() == Some(*locked)) => {
                LoginResult::Locked
            }
            Err(refused) if refused.remedy() == Remedy::Permit => {
                if found.is_some_and(ObservedAccount::is_stricter_than_tls) {
                    LoginResult::CertificateRequired
                } else {
                    LoginResult::NotPermitted
                }
            }
            Err(source) => {
                return Err(self.not_connected(Step::Verify, &user, source, &Plan::default()));
            }
        };
        Ok(LoginCheck { account: account.clone(), result })
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
                Mode::Apply => self.settings.declaration.users().len() - logins.len(),
                Mode::Plan | Mode::Check => 0,
            },
            logins,
        }
    }
}

/// The server ends what isn't closed; closing spares it a warning in its log.
async fn close(connection: MySqlConnection) {
    if let Err(error) = answer(connection.close()).await {
        tracing::debug!(error = %rds_iam_token::Chain(&error), "closing a connection failed");
    }
}
