//! The seam between a run and the database engines: a validated declaration, and a connection that carries it out.
//!
//! The only module outside the engines' own that names an engine. A second engine is a second variant of each enum;
//! plans, actions, warnings and errors are text and data for all of them.

use rds_iam_infra::{Engine, RdsConf};
use rds_iam_sqlx::{Credential, Target};
use rds_iam_token::DbUser;

use crate::declaration::Violations;
use crate::mysql;
use crate::plan::{Action, Actor, Login, Plan, PlanError, StatementError};
use crate::{Declaration, DeclarationError};

/// A declaration that is valid for the engine of the deployment.
pub(crate) enum Declared {
    MySql(mysql::Declared),
}

/// A connection for one run, as the master user or by IAM.
pub(crate) enum Session<'a> {
    MySql(mysql::Session<'a>),
}

impl Declared {
    pub(crate) fn new(declaration: &Declaration, conf: &RdsConf) -> Result<Self, DeclarationError> {
        match conf.engine {
            Engine::MySql => mysql::Declared::new(declaration, conf).map(Self::MySql),
            Engine::Postgres => {
                let mut violations = Violations::default();
                violations.add("ENGINE", "postgresql: users of PostgreSQL can't be declared yet");
                violations.into_result("the deployment's configuration")?;
                unreachable!("a violation was added")
            }
        }
    }

    pub(crate) fn admin(&self) -> Login {
        match self {
            Self::MySql(declared) => declared.admin().login(),
        }
    }

    pub(crate) fn users(&self) -> Vec<Login> {
        match self {
            Self::MySql(declared) => declared.users().iter().map(|user| user.account.login()).collect(),
        }
    }

    /// Refuses a declared user or admin that is the master user.
    pub(crate) fn refuse_master(&self, master: &DbUser) -> Result<(), DeclarationError> {
        match self {
            Self::MySql(declared) => declared.refuse_master(master.as_str()),
        }
    }

    /// Connects. `actor` is the user that errors of statements name.
    pub(crate) async fn open(
        &self,
        target: &Target,
        user: &DbUser,
        credential: Credential<'_>,
        actor: Actor,
    ) -> Result<Session<'_>, rds_iam_sqlx::Error> {
        match self {
            Self::MySql(declared) => {
                mysql::Session::open(declared, target, user, credential, actor).await.map(Session::MySql)
            }
        }
    }

    /// Returns whether the server did not accept a user's password.
    pub(crate) fn is_wrong_password(&self, error: &rds_iam_sqlx::Error) -> bool {
        match self {
            Self::MySql(_) => mysql::is_wrong_password(error),
        }
    }

    /// Returns whether the account is locked, or blocked after failed logins.
    pub(crate) fn is_locked(&self, error: &rds_iam_sqlx::Error) -> bool {
        match self {
            Self::MySql(_) => mysql::is_locked(error),
        }
    }
}

impl Session<'_> {
    /// Takes the lock that only one run on a server holds; the server releases it when the connection ends. If another
    /// run holds it, the inner error describes that run.
    pub(crate) async fn lock(&mut self) -> Result<Result<(), String>, StatementError> {
        match self {
            Self::MySql(session) => session.lock().await,
        }
    }

    /// Reads the server and compares it with the declaration. Changes nothing.
    pub(crate) async fn plan(&mut self) -> Result<Plan, PlanError> {
        match self {
            Self::MySql(session) => session.plan().await,
        }
    }

    /// Runs the statement of an action.
    pub(crate) async fn execute(&mut self, action: &Action) -> Result<(), StatementError> {
        match self {
            Self::MySql(session) => session.execute(action).await,
        }
    }

    /// Returns the account that the server logged this connection in as.
    pub(crate) async fn current_user(&mut self) -> Result<String, StatementError> {
        match self {
            Self::MySql(session) => session.current_user().await,
        }
    }

    /// Closes the connection, which keeps a warning out of the server's log.
    pub(crate) async fn close(self) {
        let closed = match self {
            Self::MySql(session) => session.close().await,
        };
        if let Err(error) = closed {
            tracing::debug!(error = %rds_iam_report::ErrorReport(&error), "closing a connection failed");
        }
    }
}
