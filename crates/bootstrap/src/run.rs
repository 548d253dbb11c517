//! The six steps.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use rds_iam_infra::{RdsConf, remedy};
use rds_iam_pool::{PoolError, Remedy, Secret, Target, connect};
use rds_iam_token::{Clock, DbUser, Login, MintError, Minter, Token, TokenSource};
use serde::Serialize;
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection};

use crate::error::is_denied;
use crate::mysql::{self, Account, Action, Actor, Observed, Plan, Step, Warning};
use crate::secret::{self, Master};
use crate::{BootstrapError, Declaration, LoginCheck, LoginResult, Outcome, Report};

/// How long Secrets Manager may take, all attempts together.
const SECRET_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the server may take over one thing that it is asked for: a minute, well over the wait for
/// another run's lock.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The account is locked. Source: MySQL's "Server Error Message Reference".
const ER_ACCOUNT_HAS_BEEN_LOCKED: u16 = 3118;

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
        Self { conf, declaration, mode, aws, clock: Clock::system() }
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
    let target = Target::new(settings.conf.connect_to().clone(), roots.pem());
    let run = Run { target, settings: &settings };
    match settings.mode {
        Mode::Apply => run.apply().await,
        Mode::Plan | Mode::Check => run.look().await,
    }
}

struct Run<'a> {
    settings: &'a Settings,
    target: Target,
}

impl Run<'_> {
    async fn apply(&self) -> Result<Report, BootstrapError> {
        let declaration = &self.settings.declaration;
        let admin = declaration.admin().login();
        // Steps 1 and 2. Signing needs no network: it tells about missing credentials before all else.
        self.token(&admin, Step::Credentials, Progress::default()).await?;
        let mut master = self.master().await?;
        let taken = answer(mysql::take_lock(&mut master)).await;
        let taken =
            taken.map_err(Progress::default().failed(Step::Admin, Actor::Master, "taking the lock"))?;
        taken.map_err(|holder| BootstrapError::Busy { holder })?;

        // Step 3.
        let observed = answer(mysql::observe(&mut master, declaration)).await;
        let observed = observed.map_err(Progress::default().failed(Step::Admin, Actor::Master, READING))?;
        let plan = mysql::plan(declaration, &observed)?;
        let mut progress = Progress::default();
        let (of_admin, of_users): (Vec<_>, Vec<_>) =
            plan.actions.iter().partition(|action| action.step == Step::Admin);
        for action in of_admin {
            progress.execute(&mut master, action).await?;
        }

        // Step 4.
        let by_iam = self.connect_by_iam(&admin, Step::Switch, progress).await?;
        let mut by_iam =
            by_iam.map_err(|source| self.not_connected(Step::Switch, &admin, source, progress, &plan))?;

        // Step 5.
        for action in of_users {
            let connection = if action.actor == Actor::Master { &mut master } else { &mut by_iam };
            progress.execute(connection, action).await?;
        }

        // Step 6.
        let observed = answer(mysql::observe(&mut by_iam, declaration)).await;
        let observed = observed.map_err(progress.failed(Step::Verify, Actor::Admin, READING))?;
        let left = mysql::plan(declaration, &observed)?.actions;
        if !left.is_empty() {
            return Err(BootstrapError::Differs { left, made: progress.made });
        }
        let mut logins = Vec::new();
        for user in declaration.users() {
            logins.push(self.log_in(&user.account, progress).await?);
        }
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
        let plan = mysql::plan(&self.settings.declaration, &observed)?;
        let outcome = if plan.actions.is_empty() { Outcome::Clean } else { Outcome::Drift };
        Ok(self.report(outcome, read_as, plan, Vec::new()))
    }

    /// What the admin sees, unless it can't log in or doesn't see everything.
    async fn look_as_admin(&self) -> Result<Option<Observed>, BootstrapError> {
        let declaration = &self.settings.declaration;
        let admin = declaration.admin().login();
        let connecting = self.connect_by_iam(&admin, Step::Credentials, Progress::default());
        let mut connection = match connecting.await? {
            Ok(connection) => connection,
            Err(denied) if denied.remedy() == Remedy::Permit => {
                tracing::info!(user = %admin, "the IAM admin can't log in (yet); reading as the master user");
                return Ok(None);
            }
            Err(source) => {
                return Err(self.not_connected(
                    Step::Switch,
                    &admin,
                    source,
                    Progress::default(),
                    &Plan::default(),
                ));
            }
        };
        let observed = answer(mysql::observe(&mut connection, declaration)).await;
        close(connection).await;
        match observed {
            // A database without any privilege is one that isn't seen.
            Ok(observed) if declaration.databases().iter().all(|name| observed.databases.contains(*name)) => {
                Ok(Some(observed))
            }
            Err(error) if !is_denied(&error) => {
                Err(Progress::default().failed(Step::Switch, Actor::Admin, READING)(error))
            }
            Ok(_) | Err(_) => {
                tracing::info!(user = %admin, "the IAM admin doesn't see everything; reading as the master user");
                Ok(None)
            }
        }
    }

    async fn look_as_master(&self) -> Result<Observed, BootstrapError> {
        let mut master = self.master().await?;
        let observed = answer(mysql::observe(&mut master, &self.settings.declaration)).await;
        close(master).await;
        observed.map_err(Progress::default().failed(Step::Admin, Actor::Master, READING))
    }

    /// Step 2, and the connection of step 3.
    async fn master(&self) -> Result<MySqlConnection, BootstrapError> {
        let Master { user, password } = secret::fetch(&self.settings.conf, &self.settings.aws).await?;
        self.settings.declaration.refuse_master(user.as_str())?;
        tracing::debug!(%user, "fetched the master user's credentials");
        let connected = connect(&self.target, &user, Secret::Password(&password)).await;
        connected.map_err(|source| BootstrapError::Connect {
            step: Step::Admin,
            source: Box::new(source),
            mend: None,
            made: 0,
        })
    }

    async fn token(&self, user: &DbUser, step: Step, progress: Progress) -> Result<Token, BootstrapError> {
        let failed = |source| BootstrapError::Credentials { step, made: progress.made, source };
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
        progress: Progress,
    ) -> Result<Result<MySqlConnection, PoolError>, BootstrapError> {
        let token = self.token(user, step, progress).await?;
        Ok(connect(&self.target, user, Secret::Token(&token)).await)
    }

    fn not_connected(
        &self,
        step: Step,
        user: &DbUser,
        source: PoolError,
        progress: Progress,
        plan: &Plan,
    ) -> BootstrapError {
        let conf = &self.settings.conf;
        let mend = (source.remedy() == Remedy::Permit).then(|| {
            let (account, resource) = (conf.account_id.as_ref(), conf.resource_id.as_ref());
            let statement = remedy::policy_statement(&conf.region, account, resource, user);
            let sql = remedy::user_statements(user);
            let stricter = plan.warnings.iter().filter(
                |warning| matches!(warning, Warning::StricterTls { account } if account.login() == *user),
            );
            let stricter: String = stricter.map(|warning| format!("{warning}\n")).collect();
            format!("{stricter}The statement that the caller's role needs:\n{statement}\nThe user that the server needs:\n{sql}")
        });
        BootstrapError::Connect { step, source: Box::new(source), mend, made: progress.made }
    }

    async fn log_in(&self, account: &Account, progress: Progress) -> Result<LoginCheck, BootstrapError> {
        let user = account.login();
        let result = match self.connect_by_iam(&user, Step::Verify, progress).await? {
            Ok(mut connection) => {
                let asked = sqlx::query_scalar("SELECT CURRENT_USER()").fetch_one(&mut connection);
                let current_user = answer(asked).await;
                let current_user =
                    current_user.map_err(progress.failed(Step::Verify, Actor::Admin, "asking who one is"))?;
                close(connection).await;
                LoginResult::Ok { current_user }
            }
            Err(refused) if refused.number() == Some(ER_ACCOUNT_HAS_BEEN_LOCKED) => LoginResult::Locked,
            Err(refused) if refused.remedy() == Remedy::Permit => LoginResult::NotPermitted,
            Err(source) => {
                return Err(self.not_connected(Step::Verify, &user, source, progress, &Plan::default()));
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
            logins,
        }
    }
}

const READING: &str = "reading the catalog";

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    made: usize,
}

impl Progress {
    async fn execute(
        &mut self,
        connection: &mut MySqlConnection,
        action: &Action,
    ) -> Result<(), BootstrapError> {
        tracing::info!(change = %action.change, "applying");
        // Every name in it is quoted by `mysql`; as a prepared statement it can't be more than one.
        let statement = sqlx::query(AssertSqlSafe(action.sql())).persistent(false);
        let done = answer(statement.execute(connection)).await;
        done.map_err(self.failed(action.step, action.actor, action.change.to_string()))?;
        self.made += 1;
        Ok(())
    }

    fn failed(
        self,
        step: Step,
        actor: Actor,
        doing: impl Into<String>,
    ) -> impl FnOnce(sqlx::Error) -> BootstrapError {
        let doing = doing.into();
        move |source| BootstrapError::Statement { step, actor, doing, made: self.made, source }
    }
}

/// What the server answers, unless it stays silent: a run that hangs would hold the lock.
async fn answer<T>(asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let silent = |_| {
        let told = format!("no answer within {} s", ANSWER_TIMEOUT.as_secs());
        Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, told)))
    };
    tokio::time::timeout(ANSWER_TIMEOUT, asked).await.unwrap_or_else(silent)
}

/// The server ends what isn't closed; closing spares it a warning in its log.
async fn close(connection: MySqlConnection) {
    if let Err(error) = answer(connection.close()).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "closing a connection failed");
    }
}
