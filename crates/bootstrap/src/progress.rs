//! How far a run has come, and its statements.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::mysql::MySqlConnection;

use crate::BootstrapError;
use crate::mysql::{Action, Actor, Change, Step, answer};

/// How often a run logs how far it has come, in changes.
const LOGGED_EACH: usize = 100;

/// How far a run has come. It outlives the run where that is ended from outside.
#[derive(Debug)]
pub(crate) struct Progress(Mutex<State>);

#[derive(Clone, Copy, Debug)]
struct State {
    step: Step,
    made: usize,
    /// Known from the third step on.
    planned: Option<usize>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State { step: Step::Credentials, made: 0, planned: None }))
    }

    pub(crate) fn enter(&self, step: Step) {
        self.state().step = step;
    }

    pub(crate) fn plan(&self, changes: usize) {
        self.state().planned = Some(changes);
    }

    /// How many changes were made.
    pub(crate) fn made(&self) -> usize {
        self.state().made
    }

    /// Runs one statement.
    pub(crate) async fn execute(
        &self,
        connection: &mut MySqlConnection,
        action: &Action,
    ) -> Result<(), BootstrapError> {
        tracing::info!(target: "rds_iam_bootstrap::change", change = %action.change, "applying");
        let sql = action.sql();
        // A text from a file is prepared, and so can't be more than one statement. In all others every name
        // is quoted by `mysql`; sent as they are they take one round trip. (A zero byte ends a quoted name.)
        let is_from_file = matches!(action.change, Change::CreateTable { .. });
        let done = if is_from_file || sql.contains('\0') {
            answer(sqlx::query(AssertSqlSafe(sql)).persistent(false).execute(connection)).await
        } else {
            answer(sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection)).await
        };
        done.map_err(self.failed(action.step, action.actor, action.change.to_string()))?;
        let mut state = self.state();
        state.made += 1;
        if let State { made, planned: Some(planned), .. } = *state
            && made % LOGGED_EACH == 0
        {
            tracing::info!("{made} of {planned} changes made");
        }
        Ok(())
    }

    /// The error of a statement.
    pub(crate) fn failed(
        &self,
        step: Step,
        actor: Actor,
        doing: String,
    ) -> impl FnOnce(sqlx::Error) -> BootstrapError + use<> {
        let made = self.made();
        move |source| BootstrapError::Statement { step, actor, doing, made, source }
    }

    /// The error of a run whose time has ended.
    pub(crate) fn out_of_time(&self, limit: Duration) -> BootstrapError {
        let State { step, made, planned } = *self.state();
        let left = planned.map(|planned| planned.saturating_sub(made));
        BootstrapError::Time { step, made, left, limit }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
