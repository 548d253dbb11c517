//! A connection for one run: its lock, its plan and its statements.

use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection};

use super::error::statement_error;
use super::query::answer;
use super::{Declared, catalog, diff, lock};
use crate::access::Access;
use crate::plan::{Action, ActionKind, Actor, Plan, PlanError, StatementError};

/// A connection for one run, as the master user or by IAM.
pub(crate) struct Session<'a> {
    declared: &'a Declared,
    actor: Actor,
    connection: MySqlConnection,
}

impl<'a> Session<'a> {
    pub(crate) async fn open(
        declared: &'a Declared,
        access: Access<'_>,
        actor: Actor,
    ) -> Result<Self, rds_iam_sqlx::Error> {
        let connection = access.connect::<sqlx::MySql>().await?;
        Ok(Self { declared, actor, connection })
    }

    pub(crate) async fn lock(&mut self) -> Result<Result<(), String>, StatementError> {
        let taken = answer(lock::take(&mut self.connection)).await;
        taken.map_err(|source| statement_error(self.actor, source))
    }

    pub(crate) async fn plan(&mut self) -> Result<Plan, PlanError> {
        let observed = catalog::observe(&mut self.connection, self.declared).await;
        let observed = observed.map_err(|source| statement_error(self.actor, source))?;
        Ok(diff(self.declared, &observed)?.into())
    }

    pub(crate) async fn execute(&mut self, action: &Action) -> Result<(), StatementError> {
        let sql = action.sql.clone();
        // A text from a file is prepared, and so can't be more than one statement. In all others every name is quoted
        // by `names`; sent as they are they take one round trip. (A zero byte ends a quoted name.)
        let is_from_file = action.kind == ActionKind::CreateTable;
        let connection = &mut self.connection;
        let done = if is_from_file || sql.contains('\0') {
            answer(sqlx::query(AssertSqlSafe(sql)).persistent(false).execute(connection)).await
        } else {
            answer(sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection)).await
        };
        done.map(drop).map_err(|source| statement_error(self.actor, source))
    }

    pub(crate) async fn current_user(&mut self) -> Result<String, StatementError> {
        let user = sqlx::query_scalar("SELECT CURRENT_USER()").fetch_one(&mut self.connection);
        answer(user).await.map_err(|source| statement_error(self.actor, source))
    }

    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        answer(self.connection.close()).await
    }
}
