//! The seam between a run and the database engines: a validated declaration, and a connection that carries it out.
//!
//! The only module outside the engines' own that names an engine. Each engine is a variant of each enum; plans, actions,
//! warnings and errors are text and data for all of them.

use rds_iam_infra::{Engine, RdsConf};
use rds_iam_token::DbUser;

use crate::access::{Access, ConnectionError, ExecuteError};
use crate::plan::{Action, Actor, Login, Missing, Plan, PlanError, StatementError};
use crate::{Declaration, DeclarationError, mysql, postgres};

/// A declaration that is valid for the engine of the deployment.
pub(crate) enum Declared {
    MySql(mysql::Declared),
    Postgres(Box<postgres::Declared>),
}

/// A connection for one run, as the master user or by IAM.
pub(crate) enum Session<'a> {
    MySql(mysql::Session<'a>),
    Postgres(Box<postgres::Session<'a>>),
}

impl Declaration {
    /// Checks users, privileges, settings and tables by the rules of the deployment's engine, as a run does first.
    ///
    /// # Errors
    /// Returns [`DeclarationError::Invalid`] with every violation, of the names in `conf` or of the declaration.
    pub fn validate(&self, conf: &RdsConf) -> Result<(), DeclarationError> {
        Declared::new(self, conf).map(drop)
    }
}

impl Declared {
    pub(crate) fn new(declaration: &Declaration, conf: &RdsConf) -> Result<Self, DeclarationError> {
        match conf.engine {
            Engine::MySql => mysql::Declared::new(declaration, conf).map(Self::MySql),
            Engine::Postgres => postgres::Declared::new(declaration, conf).map(Box::new).map(Self::Postgres),
        }
    }

    pub(crate) fn admin(&self) -> Login {
        match self {
            Self::MySql(declared) => declared.admin().login(),
            Self::Postgres(declared) => declared.admin().login(),
        }
    }

    pub(crate) fn users(&self) -> Vec<Login> {
        match self {
            Self::MySql(declared) => declared.users().iter().map(|user| user.account.login()).collect(),
            Self::Postgres(declared) => declared.users().iter().map(|user| user.role.login()).collect(),
        }
    }

    /// Refuses a declared user or admin that is the master user.
    pub(crate) fn refuse_master(&self, master: &DbUser) -> Result<(), DeclarationError> {
        match self {
            Self::MySql(declared) => declared.refuse_master(master.as_str()),
            Self::Postgres(declared) => declared.refuse_master(master.as_str()),
        }
    }

    /// Returns whether changes of roles could end the master user's login by password.
    pub(crate) fn protects_master(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Connects by IAM. `master` is the master user, if it is known.
    pub(crate) async fn open<'a>(
        &'a self,
        access: Access<'_>,
        master: Option<&'a DbUser>,
    ) -> Result<Session<'a>, rds_iam_sqlx::Error> {
        match self {
            Self::MySql(declared) => {
                mysql::Session::open(declared, access, Actor::Admin).await.map(Session::MySql)
            }
            Self::Postgres(declared) => {
                let session = postgres::Session::open(declared, access, master).await?;
                Ok(Session::Postgres(Box::new(session)))
            }
        }
    }

    /// Connects as the master user, by password.
    pub(crate) async fn open_as_master<'a>(
        &'a self,
        access: Access<'a>,
    ) -> Result<Session<'a>, ConnectionError> {
        match self {
            Self::MySql(declared) => {
                Ok(Session::MySql(mysql::Session::open(declared, access, Actor::Master).await?))
            }
            Self::Postgres(declared) => {
                let session = postgres::Session::open_as_master(declared, access).await?;
                Ok(Session::Postgres(Box::new(session)))
            }
        }
    }

    /// Returns whether the server did not accept a user's password.
    pub(crate) fn is_wrong_password(&self, error: &rds_iam_sqlx::Error) -> bool {
        match self {
            Self::MySql(_) => mysql::is_wrong_password(error),
            Self::Postgres(_) => postgres::is_wrong_password(error),
        }
    }

    /// Returns the error of the database of `rds.conf` that doesn't exist, where that fails a login.
    pub(crate) fn missing_database(&self, error: &rds_iam_sqlx::Error) -> Option<Missing> {
        match self {
            Self::MySql(_) => None,
            Self::Postgres(declared) => {
                postgres::is_no_database(error).then(|| postgres::missing_database(declared.database()))
            }
        }
    }

    /// Returns whether the account is locked, or blocked after failed logins.
    pub(crate) fn is_locked(&self, error: &rds_iam_sqlx::Error) -> bool {
        match self {
            Self::MySql(_) => mysql::is_locked(error),
            // The same code as of any refused login; the catalog shows it.
            Self::Postgres(_) => false,
        }
    }
}

impl Session<'_> {
    /// Takes the lock that only one run on a server holds; the server releases it when the connection ends. If another
    /// run holds it, the inner error describes that run.
    pub(crate) async fn lock(&mut self, access: Access<'_>) -> Result<Result<(), String>, ConnectionError> {
        match self {
            Self::MySql(session) => session.lock().await.map_err(ConnectionError::Statement),
            Self::Postgres(session) => session.lock(access).await,
        }
    }

    /// Reads the server and compares it with the declaration. Changes nothing.
    pub(crate) async fn plan(&mut self) -> Result<Plan, PlanError> {
        match self {
            Self::MySql(session) => session.plan().await,
            Self::Postgres(session) => session.plan().await,
        }
    }

    /// Makes changes that belong together: in one transaction, where the engine has transactions of such statements.
    pub(crate) async fn execute(&mut self, actions: &[Action]) -> Result<(), ExecuteError> {
        match self {
            Self::MySql(session) => {
                for action in actions {
                    session.execute(action).await.map_err(ExecuteError::Statement)?;
                }
                Ok(())
            }
            Self::Postgres(session) => session.execute(actions).await,
        }
    }

    /// Tests whether the memberships that the creation of a role makes end the master user's login by password. Returns
    /// true if they do.
    pub(crate) async fn test_creators(&mut self, access: Access<'_>) -> Result<bool, ConnectionError> {
        match self {
            Self::MySql(_) => Ok(false),
            Self::Postgres(session) => session.test_creators(access).await,
        }
    }

    /// Stops counting such memberships: a login has shown that they don't count.
    pub(crate) fn allow_creators(&mut self) {
        match self {
            Self::MySql(_) => {}
            Self::Postgres(session) => session.allow_creators(),
        }
    }

    /// Returns the account that the server logged this connection in as.
    pub(crate) async fn current_user(&mut self) -> Result<String, StatementError> {
        match self {
            Self::MySql(session) => session.current_user().await,
            Self::Postgres(session) => session.current_user().await,
        }
    }

    /// Closes the connection, which keeps a warning out of the server's log.
    pub(crate) async fn close(self) {
        let closed = match self {
            Self::MySql(session) => session.close().await,
            Self::Postgres(session) => session.close().await,
        };
        if let Err(error) = closed {
            tracing::debug!(error = %rds_iam_report::ErrorReport(&error), "closing a connection failed");
        }
    }
}
