//! The report of a run, for a person and for a program.

use std::fmt;

use serde::Serialize;

use crate::Mode;
use rds_iam_token::DbUser;

use crate::plan::{Action, Actor, Forecast, Warning};

/// The report of a run. `Display` is for a person; `Serialize` gives the JSON document that the README describes.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The mode of the run.
    pub mode: Mode,
    /// The outcome.
    pub outcome: Outcome,
    /// The endpoint of `rds.conf`.
    pub endpoint: String,
    /// The database of `rds.conf`.
    pub database: String,
    /// The user that read the server before any change.
    pub read_as: Actor,
    /// The changes: made, in a run that applies; needed, in one that plans or checks.
    pub actions: Vec<Action>,
    /// Observations for an operator.
    pub warnings: Vec<Warning>,
    /// The logins that a run that applies tried.
    pub logins: Vec<LoginCheck>,
    /// The number of declared users that a run that applies did not log in as: it tries ten, those that it changed
    /// first.
    pub logins_not_tried: usize,
    /// The forecast of the master user's login by password. `None` for MySQL, where nothing ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_out: Option<LockOutReport>,
}

/// The forecast of the master user's login by password, and what a run found out about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LockOutReport {
    /// The forecast for the time after all changes.
    #[serde(flatten)]
    pub forecast: Forecast,
    /// Whether the run tested, by a role that it created for a moment, that a creator's membership doesn't count.
    pub tested: bool,
    /// Whether a new login as the master user worked after all changes. `None` if the run made none.
    pub verified: Option<bool>,
}

/// The outcome of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Everything was as declared already.
    Clean,
    /// There are differences, which were not changed.
    Drift,
    /// The differences were removed.
    Changed,
}

/// A login as a declared user, with the caller's own credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LoginCheck {
    /// The declared account.
    pub account: String,
    /// The name that the account logs in by.
    #[serde(skip)]
    pub user: DbUser,
    /// The result.
    #[serde(flatten)]
    pub result: LoginResult,
}

/// The result of a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoginResult {
    /// Logged in, over verified TLS.
    Ok {
        /// The account that the server chose.
        current_user: String,
    },
    /// Denied: this caller has no `rds-db:connect` for the user, which is right for most callers; or the account
    /// accepts other hosts only.
    NotPermitted,
    /// Denied, and the account requires a client certificate, which no IAM login of this project presents.
    CertificateRequired,
    /// The account is locked, or blocked after failed logins.
    Locked,
}

impl Report {
    /// Returns the exit status: 3 if a run would be refused because it would lock the master user out, 2 if a check found
    /// drift, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.would_be_refused() {
            3
        } else if self.mode == Mode::Check && self.outcome == Outcome::Drift {
            2
        } else {
            0
        }
    }

    fn would_be_refused(&self) -> bool {
        self.mode != Mode::Apply
            && self
                .lock_out
                .as_ref()
                .is_some_and(|report| matches!(report.forecast, Forecast::LockOut { .. }))
    }

    fn reader(&self) -> &'static str {
        match self.read_as {
            Actor::Master => "the master user",
            Actor::Admin => "the IAM admin",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = match self.actions.len() {
            0 => "no changes".to_owned(),
            1 => "1 change".to_owned(),
            count => format!("{count} changes"),
        };
        writeln!(f, "{} at {}, read as {}", self.database, self.endpoint, self.reader())?;
        let mut actor = None;
        for action in &self.actions {
            if actor.replace(action.actor) != Some(action.actor) {
                let name = match action.actor {
                    Actor::Master => "as the master user",
                    Actor::Admin => "as the IAM admin",
                };
                writeln!(f, "\n{name}:")?;
            }
            writeln!(f, "  {} {}", action.kind.sign(), action.text)?;
            for line in format!("{};", action.sql).lines() {
                writeln!(f, "      {line}")?;
            }
        }
        writeln!(f)?;
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for login in &self.logins {
            writeln!(f, "login as {}: {}", login.user, login.result)?;
        }
        if self.logins_not_tried > 0 {
            writeln!(f, "{} more users: login not tried", self.logins_not_tried)?;
        }
        if let Some(lock_out) = &self.lock_out {
            lock_out.write(f)?;
        }
        match (self.mode, self.outcome) {
            _ if self.would_be_refused() => {
                write!(
                    f,
                    "{count} needed; a run would refuse this, because the master user would be locked out"
                )
            }
            (Mode::Apply, Outcome::Changed) => write!(f, "{count} made and verified"),
            (Mode::Apply, _) => write!(f, "{count}: everything is as declared"),
            (_, Outcome::Clean) => write!(f, "{count} needed: everything is as declared"),
            (Mode::Plan, _) => write!(f, "{count} needed; run without --plan to make them"),
            (Mode::Check, _) => write!(f, "drift: {count} needed; run without --check to make them"),
        }
    }
}

impl LockOutReport {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.forecast {
            Forecast::None => {}
            Forecast::CreatorEdge { path } => {
                let path = shown(path);
                let known = match (self.tested, self.verified) {
                    (true, _) => "a test showed that this server doesn't count that as a membership",
                    (false, Some(_)) => "its logins show that this server doesn't count that as a membership",
                    (false, None) => {
                        "a run changes nothing before a login has shown that this server doesn't count that as a membership"
                    }
                };
                writeln!(
                    f,
                    "master user: keeps its login by password; it created a role that leads to rds_iam ({path}), and {known}"
                )?;
            }
            Forecast::LockOut { path } => {
                writeln!(f, "master user: WOULD BE LOCKED OUT as a member of rds_iam by {}", shown(path))?;
            }
        }
        if self.verified == Some(true) {
            writeln!(f, "login as the master user: ok, by password")?;
        }
        Ok(())
    }
}

fn shown(path: &[String]) -> String {
    path.iter().map(|role| crate::text::visible(role)).collect::<Vec<_>>().join(" > ")
}

impl fmt::Display for LoginResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok { current_user } => write!(f, "ok, by token over verified TLS, as {current_user}"),
            Self::NotPermitted => f.write_str("not permitted for this caller"),
            Self::CertificateRequired => f.write_str("the account requires a client certificate"),
            Self::Locked => f.write_str("the account is locked"),
        }
    }
}
