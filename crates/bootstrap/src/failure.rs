//! `Failure`: an error of a run as text or JSON.

use std::fmt;

use rds_iam_report::ErrorReport;
use serde::Serialize;

use crate::plan::Step;
use crate::{BootstrapError, Mode};

/// An error with all its causes, as the programs show it. `Display` is for a person, `Serialize` for a program.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Failure {
    /// `apply`, `plan` or `check`; `None` if the command line is wrong.
    pub mode: Option<Mode>,
    /// `failed`.
    pub outcome: &'static str,
    /// The step, from 1 to 6.
    pub step: u8,
    /// The error.
    pub error: String,
    /// The causes, outermost first.
    pub causes: Vec<String>,
    /// The remedy.
    pub hint: String,
    /// The number of changes made before.
    pub changes_made: usize,
    /// The number of changes left, if the run was stopped by its time limit or a signal, and that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes_left: Option<usize>,
}

impl Failure {
    /// Creates the failure of a run in `mode`.
    #[must_use]
    pub fn new(mode: Mode, error: &BootstrapError) -> Self {
        Self {
            mode: Some(mode),
            outcome: "failed",
            step: error.step() as u8,
            error: error.to_string(),
            causes: ErrorReport(error).causes(),
            hint: error.hint(),
            changes_made: error.made(),
            changes_left: match error {
                BootstrapError::Time { left, .. } | BootstrapError::Stopped { left, .. } => *left,
                _ => None,
            },
        }
    }

    /// Creates the failure of a wrong command line. `hint` says what to write instead.
    #[must_use]
    pub fn usage(error: &str, hint: &str) -> Self {
        Self {
            mode: None,
            outcome: "failed",
            step: Step::Configuration as u8,
            error: error.to_owned(),
            causes: Vec::new(),
            hint: hint.to_owned(),
            changes_made: 0,
            changes_left: None,
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
    use rds_iam_token::MintError;

    use super::*;

    /// Returns a failure as text.
    fn text(error: &BootstrapError) -> String {
        Failure::new(Mode::Apply, error).to_string()
    }

    #[test]
    fn the_cause_of_a_tunnel_is_its_help_too() {
        let tunnel = |made| BootstrapError::Tunnel {
            step: Step::Users,
            doing: "create table two".into(),
            made,
            help: String::new(),
            source: "the session was ended by an operator".into(),
        };
        assert_eq!(tunnel(0).exit_code(), 1);
        insta::assert_snapshot!(text(&tunnel(0)), @r"
        error in step 5 of 6: create table two failed
          cause: the session was ended by an operator
        ");
        insta::assert_snapshot!(text(&tunnel(1)), @r"
        error in step 5 of 6: create table two failed
          cause: the session was ended by an operator
          1 change was made and stays; once the cause is fixed, the next run finishes the job.
        ");
        assert_eq!(BootstrapError::DialAndVia.exit_code(), 64);
    }

    #[test]
    fn a_run_that_was_stopped_reports_what_is_left() {
        let error = BootstrapError::Stopped { step: Step::Users, made: 2, left: Some(1) };
        insta::assert_snapshot!(text(&error), @r"
        error in step 5 of 6: the run was stopped by a signal
          1 change is left. Each change is made wholly or not at all. Run this again to make the rest.
          2 changes were made and stay; once the cause is fixed, the next run finishes the job.
        ");
        let failure = Failure::new(Mode::Apply, &error);
        assert_eq!((error.exit_code(), failure.changes_left), (1, Some(1)));
    }

    #[test]
    fn changes_that_were_made_are_reported_at_every_step() {
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
