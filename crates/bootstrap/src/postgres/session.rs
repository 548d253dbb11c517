//! A connection for one run: its lock, its plan and its statements.

use rds_iam_token::DbUser;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::canary::{self, CanaryError, Rule};
use super::connection::{connect, connect_as_master, set_up};
use super::error::statement_error;
use super::names::identifier;
use super::transaction::{Guard, Outcome};
use super::{Change, Declared, Version, catalog, diff, lock, merge};
use crate::access::{Access, ConnectionError, ExecuteError};
use crate::answer::answer;
use crate::plan::{Action, ActionKind, Actor, Plan, PlanError, StatementError, Unsupported};

/// A connection for one run, as the master user or by IAM.
pub(crate) struct Session<'a> {
    declared: &'a Declared,
    actor: Actor,
    /// The master user, if it is known.
    master: Option<&'a DbUser>,
    connection: PgConnection,
    /// The connection that holds the run's lock.
    lock: Option<PgConnection>,
    /// The server's version, once it is read.
    version: Option<Version>,
    creators_count: bool,
    /// Whether the plan drops the role of a test that a server left.
    canary_is_left: bool,
}

impl<'a> Session<'a> {
    /// Connects by IAM.
    pub(crate) async fn open(
        declared: &'a Declared,
        access: Access<'_>,
        master: Option<&'a DbUser>,
    ) -> Result<Self, rds_iam_sqlx::Error> {
        let connection = connect(access, declared.database()).await?;
        Ok(Self::new(declared, Actor::Admin, master, connection))
    }

    /// Connects as the master user, by password.
    pub(crate) async fn open_as_master(
        declared: &'a Declared,
        access: Access<'a>,
    ) -> Result<Self, ConnectionError> {
        let connection = connect_as_master(access, declared.database()).await?;
        Ok(Self::new(declared, Actor::Master, Some(access.user), connection))
    }

    fn new(
        declared: &'a Declared,
        actor: Actor,
        master: Option<&'a DbUser>,
        connection: PgConnection,
    ) -> Self {
        Self {
            declared,
            actor,
            master,
            connection,
            lock: None,
            version: None,
            creators_count: true,
            canary_is_left: false,
        }
    }

    /// Takes the run's lock on a connection that this session keeps.
    pub(crate) async fn lock(&mut self, access: Access<'_>) -> Result<Result<(), String>, ConnectionError> {
        let mut connection = connect_as_master(access, lock::DATABASE).await?;
        let taken = async {
            set_up(&mut connection).await?;
            answer(lock::take(&mut connection)).await
        };
        let taken =
            taken.await.map_err(|error| ConnectionError::Statement(statement_error(self.actor, error)))?;
        self.lock = Some(connection);
        Ok(taken)
    }

    pub(crate) async fn plan(&mut self) -> Result<Plan, PlanError> {
        let observed = async {
            set_up(&mut self.connection).await?;
            let master = self.master.map(DbUser::as_str);
            catalog::observe(&mut self.connection, self.declared, master).await
        };
        let observed = observed.await.map_err(|source| statement_error(self.actor, source))?;
        if !observed.version.is_supported() {
            let found = format!("PostgreSQL {}", observed.version);
            return Err(Unsupported { found, expected: "PostgreSQL 15 or later" }.into());
        }
        self.version = Some(observed.version);
        let diff = diff(self.declared, &observed)?;
        self.canary_is_left = diff.changes.iter().any(|planned| planned.change == Change::DropCanary);
        Ok(diff.into())
    }

    /// From now on, memberships that only the creation of a role made don't count: a login has shown that.
    pub(crate) fn allow_creators(&mut self) {
        self.creators_count = false;
    }

    /// Tests whether they count.
    ///
    /// # Panics
    /// Panics if this session does not have the run's lock.
    pub(crate) async fn test_creators(&mut self, access: Access<'_>) -> Result<bool, ConnectionError> {
        let lock = self.lock.as_mut().expect("a run takes its lock before the test");
        match canary::test(lock, access, self.canary_is_left).await {
            Ok(rule) => Ok(rule == Rule::Counts),
            Err(CanaryError::Connection(error)) => Err(error),
            Err(CanaryError::Statement(error)) => {
                Err(ConnectionError::Statement(statement_error(self.actor, error)))
            }
        }
    }

    /// Runs the statements of one transaction.
    pub(crate) async fn execute(&mut self, actions: &[Action]) -> Result<(), ExecuteError> {
        let failed = |actor| move |source| ExecuteError::Statement(statement_error(actor, source));
        let statements = merge::statements(actions);
        let version = self.set_up_once().await.map_err(failed(self.actor))?;
        let done = match actions {
            [action] if action.kind == ActionKind::CreateTable => self.create_table(&action.sql).await,
            _ if actions.iter().any(|action| action.kind.changes_memberships()) => {
                return self.execute_guarded(&statements, version).await;
            }
            _ => {
                // Not committed in the same message: the time limit of a statement does not limit them all.
                let sql = AssertSqlSafe(format!("BEGIN; {}", statements.join("; ")));
                let made = answer(sqlx::raw_sql(sql).execute(&mut self.connection)).await;
                let end = if made.is_ok() { "COMMIT" } else { "ROLLBACK" };
                let ended = answer(sqlx::raw_sql(end).execute(&mut self.connection)).await;
                made.and(ended).map(drop)
            }
        };
        done.map_err(failed(self.actor))
    }

    /// Sets up the session, unless its plan has, and returns the server's version.
    async fn set_up_once(&mut self) -> Result<Version, sqlx::Error> {
        if let Some(version) = self.version {
            return Ok(version);
        }
        set_up(&mut self.connection).await?;
        let number = "SELECT current_setting('server_version_num')::int4";
        let number: i32 = answer(sqlx::query_scalar(number).fetch_one(&mut self.connection)).await?;
        Ok(*self.version.insert(Version::new(number.unsigned_abs())))
    }

    async fn execute_guarded(&mut self, statements: &[String], version: Version) -> Result<(), ExecuteError> {
        let failed = |source| ExecuteError::Statement(statement_error(self.actor, source));
        let master = self.master.expect("a run that changes something knows the master user");
        let guard =
            Guard { master: master.as_str().to_owned(), version, creators_count: self.creators_count };
        match guard.run(&mut self.connection, statements).await.map_err(failed)? {
            Outcome::Committed => Ok(()),
            Outcome::LockOut(path) => Err(ExecuteError::LockOut { path }),
        }
    }

    /// Creates a table as its owner. The text is from a file: it is prepared, and so can't be more than one statement.
    async fn create_table(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let schema = identifier(self.declared.schema());
        let mut begin = format!("BEGIN; SET LOCAL search_path TO pg_catalog, {schema}, public, pg_temp");
        if let Some(owner) = self.declared.owner() {
            begin.push_str(&format!("; SET LOCAL ROLE {}", owner.sql()));
        }
        let connection = &mut self.connection;
        answer(sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *connection)).await?;
        let statement = sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false);
        let created = answer(statement.execute(&mut *connection)).await;
        let end = if created.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = answer(sqlx::raw_sql(end).execute(connection)).await;
        created?;
        ended.map(drop)
    }

    pub(crate) async fn current_user(&mut self) -> Result<String, StatementError> {
        let user = sqlx::raw_sql("SELECT current_user::text").fetch_one(&mut self.connection);
        let user = answer(user).await.and_then(|row| row.try_get(0));
        user.map_err(|source| statement_error(self.actor, source))
    }

    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        if let Some(lock) = self.lock {
            answer(lock.close()).await?;
        }
        answer(self.connection.close()).await
    }
}
