//! Runs the statements of a bootstrap run and counts them, for the log and for the error of a run that fails or reaches
//! its time limit.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::access::ExecuteError;
use crate::plan::{Action, StatementError, Step};
use crate::session::Session;
use crate::{BootstrapError, LockOut};

/// The number of changes after which a run logs its progress.
const LOGGED_EACH: usize = 100;

/// The number of changes of a failed transaction that an error names.
const SHOWN: usize = 10;

/// The progress of a run. It outlives a run that is cancelled at its time limit.
#[derive(Debug)]
pub(crate) struct Progress(Mutex<State>);

#[derive(Clone, Copy, Debug)]
struct State {
    step: Step,
    made: usize,
    /// Known from the third step on.
    planned: Option<usize>,
}

impl State {
    fn left(self) -> Option<usize> {
        self.planned.map(|planned| planned.saturating_sub(self.made))
    }
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

    /// Takes changes off the plan, which the server denied and the run can do without.
    pub(crate) fn skip(&self, changes: usize) {
        let mut state = self.state();
        state.planned = state.planned.map(|planned| planned.saturating_sub(changes));
    }

    /// Returns the step.
    pub(crate) fn step(&self) -> Step {
        self.state().step
    }

    /// Returns the number of changes made.
    pub(crate) fn made(&self) -> usize {
        self.state().made
    }

    /// Makes changes that belong together.
    pub(crate) async fn execute(
        &self,
        session: &mut Session<'_>,
        actions: &[Action],
    ) -> Result<(), ExecuteError> {
        for action in actions {
            tracing::info!(target: "rds_iam_bootstrap::change", change = %action.text, "applying");
        }
        session.execute(actions).await?;
        let mut state = self.state();
        let before = state.made;
        state.made += actions.len();
        if let State { made, planned: Some(planned), .. } = *state
            && made / LOGGED_EACH > before / LOGGED_EACH
        {
            tracing::info!("{made} of {planned} changes made");
        }
        Ok(())
    }

    /// Returns the error of changes that were not made.
    pub(crate) fn not_made(&self, actions: &[Action], error: ExecuteError) -> BootstrapError {
        let step = actions.first().map_or(self.step(), |action| action.step);
        match error {
            ExecuteError::Statement(error) => self.failed(step, &text(actions), error),
            ExecuteError::LockOut { path } => {
                BootstrapError::LockOut { step, rule: LockOut::Membership { path }, made: self.made() }
            }
        }
    }

    /// Returns the error of a failed statement.
    pub(crate) fn failed(&self, step: Step, doing: &str, error: StatementError) -> BootstrapError {
        let StatementError { denied, help, source, .. } = error;
        BootstrapError::Statement { step, doing: doing.to_owned(), made: self.made(), denied, help, source }
    }

    /// Returns the error of a run that reached its time limit.
    pub(crate) fn out_of_time(&self, limit: Duration) -> BootstrapError {
        let state = *self.state();
        BootstrapError::Time { step: state.step, made: state.made, left: state.left(), limit }
    }

    /// Returns the error of a run that its caller stopped.
    pub(crate) fn stopped(&self) -> BootstrapError {
        let state = *self.state();
        BootstrapError::Stopped { step: state.step, made: state.made, left: state.left() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the changes of a transaction in words, of which there may be many.
fn text(actions: &[Action]) -> String {
    let (shown, rest) = actions.split_at(actions.len().min(SHOWN));
    let mut text = shown.iter().map(|action| action.text.as_str()).collect::<Vec<_>>().join("; ");
    match rest.len() {
        0 => {}
        1 => text.push_str("; and 1 more change"),
        count => text.push_str(&format!("; and {count} more changes")),
    }
    text
}
