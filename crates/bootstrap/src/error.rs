//! Why a run failed, at which step, and what to do about it.

use std::fmt;
use std::time::Duration;

use rds_iam_infra::RdsConfError;
use rds_iam_pool::PoolError;
use rds_iam_report::ErrorReport;
use rds_iam_roots::TrustError;
use rds_iam_token::MintError;
use serde::Serialize;

use crate::plan::{Action, Missing, Step};
use crate::{DeclarationError, Mode, SecretError};

/// Why a run failed. [`hint`](Self::hint) says what to do, the cause is the
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// `rds.conf` is wrong.
    #[error(transparent)]
    Conf(#[from] RdsConfError),
    /// The declaration is wrong.
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    /// The trust roots are.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// There are no AWS credentials that a token could be signed with.
    #[error("the caller's AWS credentials can't sign an IAM token")]
    Credentials {
        /// At which step: each login signs a token of its own.
        step: Step,
        /// How many changes were made before.
        made: usize,
        /// Why not.
        source: MintError,
    },
    /// The master user's credentials can't be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Connecting to the database failed.
    #[error("connecting to the database failed")]
    Connect {
        /// At which step.
        step: Step,
        /// Why.
        source: Box<PoolError>,
        /// What to do, with the policy statement and the SQL that would allow the login if it was denied.
        help: String,
        /// How many changes were made before.
        made: usize,
    },
    /// A statement failed.
    #[error("{doing} failed")]
    Statement {
        /// At which step.
        step: Step,
        /// What it was for.
        doing: String,
        /// How many changes were made before.
        made: usize,
        /// Whether the server denied it, as opposed to failing.
        denied: bool,
        /// What to do.
        help: String,
        /// The driver's error.
        source: sqlx::Error,
    },
    /// A database or table doesn't exist.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// Another run is at it.
    #[error("another bootstrap is running on this server ({holder})")]
    Busy {
        /// Who.
        holder: String,
    },
    /// The time of the run ended before it did.
    #[error("the run did not end within {} s, the time that it has, and was ended", limit.as_secs())]
    Time {
        /// At which step.
        step: Step,
        /// How many changes were made.
        made: usize,
        /// How many are left, where that was known.
        left: Option<usize>,
        /// The time that it had.
        limit: Duration,
    },
    /// All changes were made, and still something is not as declared.
    #[error("after all changes the server still differs from the declaration: {}", list(left))]
    Differs {
        /// What a plan has left to do.
        left: Vec<Action>,
        /// How many changes were made.
        made: usize,
    },
}

fn list(actions: &[Action]) -> String {
    actions.iter().map(|action| action.text.as_str()).collect::<Vec<_>>().join("; ")
}

impl BootstrapError {
    /// The step that failed.
    #[must_use]
    pub fn step(&self) -> Step {
        match self {
            Self::Conf(_) | Self::Declaration(_) | Self::Trust(_) => Step::Configuration,
            Self::Secret(_) => Step::Credentials,
            Self::Missing(_) | Self::Busy { .. } => Step::Admin,
            Self::Credentials { step, .. }
            | Self::Connect { step, .. }
            | Self::Statement { step, .. }
            | Self::Time { step, .. } => *step,
            Self::Differs { .. } => Step::Verify,
        }
    }

    /// The exit status: 64 where a file has to be mended, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.step() == Step::Configuration { 64 } else { 1 }
    }

    /// What to do, for a person. It may have several lines, and may be empty where the error itself says
    /// it.
    #[must_use]
    pub fn hint(&self) -> String {
        let hint = match self {
            // Each of their problems says what to write instead.
            Self::Conf(_) | Self::Declaration(_) | Self::Trust(_) => String::new(),
            Self::Credentials { .. } => {
                "Log in to AWS, or give this program a role or profile; `aws sts get-caller-identity` shows whether that works.".into()
            }
            Self::Secret(error) => error.hint(),
            Self::Connect { help, .. } | Self::Statement { help, .. } => help.clone(),
            Self::Missing(missing) => missing.help.clone(),
            Self::Busy { .. } => "Wait for it to end, then run this again.".into(),
            Self::Time { left, .. } => {
                let left = match left {
                    None => String::new(),
                    Some(1) => "1 change is left. ".into(),
                    Some(left) => format!("{left} changes are left. "),
                };
                format!("{left}Each change is made wholly or not at all. Run it again to make the rest, or give it more time.")
            }
            Self::Differs { .. } => {
                "Somebody else changes these users at the same time, or the server didn't do as told: look with --plan.".into()
            }
        };
        match self.made() {
            0 => hint,
            1 => format!(
                "{hint}\n1 change was made and stays; once that is mended, running it again finishes the job."
            ),
            made => format!(
                "{hint}\n{made} changes were made and stay; once that is mended, running it again finishes the job."
            ),
        }
    }

    /// How many changes were made before it failed.
    fn made(&self) -> usize {
        match self {
            Self::Credentials { made, .. }
            | Self::Connect { made, .. }
            | Self::Statement { made, .. }
            | Self::Time { made, .. }
            | Self::Differs { made, .. } => *made,
            _ => 0,
        }
    }

    /// Whether the server denied a statement.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::Statement { denied: true, .. })
    }
}

/// An error as it is shown: once, with all its causes. `Display` is for a person, `Serialize` for a
/// program.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Failure {
    /// `apply`, `plan` or `check`.
    pub mode: Mode,
    /// `failed`.
    pub outcome: &'static str,
    /// The step, from 1 to 6.
    pub step: u8,
    /// What failed.
    pub error: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What to do.
    pub hint: String,
    /// How many changes were made before.
    pub changes_made: usize,
    /// How many are left, where the run's time ended and that was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes_left: Option<usize>,
}

impl Failure {
    /// What to show of an error.
    #[must_use]
    pub fn new(mode: Mode, error: &BootstrapError) -> Self {
        let mut causes: Vec<String> = Vec::new();
        for cause in ErrorReport(error).causes() {
            // The driver's errors end in the text of their source.
            if !causes.last().is_some_and(|outer| outer.ends_with(&cause)) {
                causes.push(cause);
            }
        }
        Self {
            mode,
            outcome: "failed",
            step: error.step() as u8,
            error: error.to_string(),
            causes,
            hint: error.hint(),
            changes_made: error.made(),
            changes_left: match error {
                BootstrapError::Time { left, .. } => *left,
                _ => None,
            },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error in step {} of 6: {}", self.step, self.error)?;
        for cause in &self.causes {
            write!(f, "\n  cause: {}", cause.trim_end().replace('\n', "\n    "))?;
        }
        for line in self.hint.lines() {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_credential_types::provider::error::CredentialsError;

    use super::*;

    #[test]
    fn changes_that_were_made_are_told_at_whatever_step() {
        let differs = BootstrapError::Differs { left: Vec::new(), made: 2 };
        let source = MintError::NotConfigured { source: Arc::new(CredentialsError::not_loaded_no_source()) };
        let ended = BootstrapError::Credentials { step: Step::Verify, made: 1, source };
        for (error, made) in [(differs, 2), (ended, 1)] {
            let failure = Failure::new(Mode::Apply, &error);
            assert_eq!((failure.step, failure.changes_made), (6, made), "{failure}");
            assert!(failure.hint.contains("made and stay"), "{failure}");
        }
    }
}
