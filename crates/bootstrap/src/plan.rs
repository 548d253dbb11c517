//! A plan: actions as text and SQL, warnings and errors. The engine's module makes it; the run carries it out and
//! reports it.

use std::fmt;

use rds_iam_token::DbUser;
use serde::{Serialize, Serializer};

/// The number of undeclared accounts that warnings list.
pub(crate) const UNDECLARED_SHOWN: usize = 20;

/// The actions that make the server match the declaration, in order, and the warnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The actions. Empty if the server matches the declaration.
    pub actions: Vec<Action>,
    /// Observations for an operator. A run changes none of them, and they do not count as drift.
    pub warnings: Vec<Warning>,
    /// The master user's path to the role that ends its login by password, before any change. MySQL has none.
    pub path_before: Forecast,
    /// The same after the changes.
    pub path_after: Forecast,
}

/// The forecast of the master user's login by password.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "forecast", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Forecast {
    /// The login stays.
    #[default]
    None,
    /// The master user is a member of `rds_iam` only by memberships that the creation of a role made (PostgreSQL 16
    /// and later). Whether RDS counts these is not documented; a test shows it.
    CreatorEdge {
        /// The roles from the master user to `rds_iam`.
        path: Vec<String>,
    },
    /// The master user is a member of `rds_iam`, so that the server refuses its password.
    LockOut {
        /// The roles from the master user to `rds_iam`.
        path: Vec<String>,
    },
}

/// One statement, with its step and its actor. Serialises to an entry of the report's `actions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Action {
    /// The step of the run.
    pub step: Step,
    /// The user that runs the statement.
    #[serde(rename = "as")]
    pub actor: Actor,
    /// The kind of change.
    #[serde(rename = "change")]
    pub kind: ActionKind,
    /// The account that the statement changes, if it changes one.
    pub account: Option<String>,
    /// The change in words.
    #[serde(rename = "summary")]
    pub text: String,
    /// The statement.
    pub sql: String,
    /// The warning that replaces the action if the server denies it. `None` if the run can't do without it.
    #[serde(skip)]
    pub if_denied: Option<Warning>,
    /// The transaction that the statement is part of, together with those before and after it of the same user and the
    /// same name. `None` if it is alone.
    #[serde(skip)]
    pub group: Option<String>,
}

/// The kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ActionKind {
    /// Creates an account that logs in by IAM.
    CreateAccount,
    /// Makes an existing account log in by IAM.
    UseIam,
    /// Makes an existing account connect over TLS only.
    RequireTls,
    /// Removes the limits on an account's logins and statements.
    LiftLimits,
    /// Grants privileges that are declared and missing.
    Grant,
    /// Revokes privileges that are not declared.
    Revoke,
    /// Revokes a role.
    RevokeRole,
    /// Creates a role that doesn't log in.
    CreateRole,
    /// Drops a role that this program created for a test.
    DropRole,
    /// Makes a role a member of another.
    GrantRole,
    /// Lets the IAM admin make accounts log in by IAM.
    Delegate,
    /// Ends the password of an account that logs in by IAM.
    EndPassword,
    /// Changes attributes or settings of a role.
    AlterRole,
    /// Creates a schema.
    CreateSchema,
    /// Creates an extension.
    CreateExtension,
    /// Creates a table.
    CreateTable,
}

/// The steps of a run. Serialises to the step's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Step {
    /// 1: read and check the configuration.
    Configuration = 1,
    /// 2: fetch the master user's credentials.
    Credentials = 2,
    /// 3: as the master user, create or correct the IAM admin.
    Admin = 3,
    /// 4: connect as that admin, by IAM.
    Switch = 4,
    /// 5: create missing tables, create or correct the users.
    Users = 5,
    /// 6: verify.
    Verify = 6,
}

/// The user that runs a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Actor {
    /// The master user. Changes the admin, and revokes what the admin does not have itself.
    Master,
    /// The IAM admin.
    Admin,
}

/// An observation for an operator. Serialises to its text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// The observation, and what an operator can do.
    pub text: String,
    /// The account whose IAM logins the server refuses because of this.
    pub refused_account: Option<String>,
    /// The account that an operator has locked.
    pub locked_account: Option<String>,
}

/// Objects that the declaration names, that do not exist, and that no action creates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", objects.join("; "))]
#[non_exhaustive]
pub struct Missing {
    /// A sentence for each object.
    pub objects: Vec<String>,
    /// The remedy.
    pub help: String,
    /// Whether the server hides objects of this kind from users without privileges on them.
    pub may_be_hidden: bool,
}

/// A declared account, with the name that it logs in by.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) account: String,
    pub(crate) user: DbUser,
}

/// The error of making a plan.
pub(crate) enum PlanError {
    Missing(Missing),
    Unsupported(Unsupported),
    Statement(StatementError),
}

/// The error of a server that this program does not support.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server is {found}; expected {expected}")]
#[non_exhaustive]
pub struct Unsupported {
    /// The engine and version of the server.
    pub found: String,
    /// The supported versions.
    pub expected: &'static str,
}

/// The error of a statement.
pub(crate) struct StatementError {
    /// Whether the server denied the statement, as opposed to failing.
    pub(crate) denied: bool,
    /// Whether the server refused this statement, and the connection accepts others.
    pub(crate) is_refused: bool,
    /// The remedy.
    pub(crate) help: String,
    pub(crate) source: sqlx::Error,
}

impl Missing {
    /// Returns the remedy for databases that don't exist. `sql` creates them.
    pub(crate) fn help_with_databases(sql: &str) -> String {
        format!(
            "RDS creates a database along with the instance only if it is given a name (Terraform: db_name). Check DB_NAME and the users file, or create it as the master user: {sql}"
        )
    }
}

impl Plan {
    /// Removes the actions that `is_denied` selects, and adds their warnings, each once.
    pub(crate) fn replace_denied(&mut self, is_denied: impl Fn(&Action) -> bool) {
        let (denied, kept) = std::mem::take(&mut self.actions).into_iter().partition(is_denied);
        self.actions = kept;
        for warning in Vec::into_iter(denied).filter_map(|action: Action| action.if_denied) {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }

    /// Lets the master user make accounts log in by IAM where the admin would, if it was denied the right to.
    pub(crate) fn undo_delegation(&mut self, denied: &[Action]) {
        if denied.iter().any(|action| action.kind == ActionKind::Delegate) {
            let of_admin =
                |action: &&mut Action| action.kind == ActionKind::UseIam && action.step == Step::Users;
            self.actions.iter_mut().filter(of_admin).for_each(|action| action.actor = Actor::Master);
        }
    }

    /// Returns whether the actions create objects that privileges may be declared on.
    pub(crate) fn creates_objects(&self) -> bool {
        let creates =
            |action: &Action| matches!(action.kind, ActionKind::CreateTable | ActionKind::CreateExtension);
        self.actions.iter().any(creates)
    }

    /// Returns whether the plan has actions, and all of them grant or revoke privileges.
    pub(crate) fn is_of_privileges(&self) -> bool {
        let is_it = |action: &Action| matches!(action.kind, ActionKind::Grant | ActionKind::Revoke);
        !self.actions.is_empty() && self.actions.iter().all(is_it)
    }

    /// Returns the warnings about refused IAM logins of an account.
    pub(crate) fn refusals(&self, account: &str) -> impl Iterator<Item = &Warning> {
        self.warnings.iter().filter(move |warning| warning.refused_account.as_deref() == Some(account))
    }

    /// Returns whether an operator has locked an account.
    pub(crate) fn is_locked(&self, account: &str) -> bool {
        self.warnings.iter().any(|warning| warning.locked_account.as_deref() == Some(account))
    }
}

impl Action {
    /// Returns whether a run continues if the server denies this.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.if_denied.is_some()
    }
}

impl ActionKind {
    /// Returns whether a change of this kind can change who is a member of which role.
    pub(crate) fn changes_memberships(self) -> bool {
        matches!(
            self,
            Self::CreateAccount
                | Self::CreateRole
                | Self::DropRole
                | Self::UseIam
                | Self::GrantRole
                | Self::Delegate
                | Self::RevokeRole
        )
    }

    /// Returns `+` for an addition, `~` for a change and `-` for a removal.
    pub(crate) fn sign(self) -> char {
        match self {
            Self::CreateAccount
            | Self::CreateRole
            | Self::CreateSchema
            | Self::CreateExtension
            | Self::CreateTable
            | Self::Grant
            | Self::GrantRole
            | Self::Delegate => '+',
            Self::UseIam | Self::RequireTls | Self::AlterRole => '~',
            Self::DropRole | Self::LiftLimits | Self::EndPassword | Self::Revoke | Self::RevokeRole => '-',
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Missing> for PlanError {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

impl From<Unsupported> for PlanError {
    fn from(unsupported: Unsupported) -> Self {
        Self::Unsupported(unsupported)
    }
}

impl From<StatementError> for PlanError {
    fn from(error: StatementError) -> Self {
        Self::Statement(error)
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(sql: &str, if_denied: Option<&str>) -> Action {
        let warning =
            |text: &str| Warning { text: text.to_owned(), refused_account: None, locked_account: None };
        Action {
            step: Step::Admin,
            actor: Actor::Master,
            kind: ActionKind::Grant,
            account: None,
            text: sql.to_owned(),
            sql: sql.to_owned(),
            if_denied: if_denied.map(warning),
            group: None,
        }
    }

    #[test]
    fn without_a_delegation_the_master_user_acts_itself() {
        let of = |kind, step| Action { kind, step, actor: Actor::Admin, ..action("GRANT a", None) };
        let actions = vec![
            of(ActionKind::CreateAccount, Step::Users),
            of(ActionKind::UseIam, Step::Users),
            of(ActionKind::Grant, Step::Users),
        ];
        let mut plan = Plan { actions, ..Plan::default() };
        let before = plan.clone();
        plan.undo_delegation(&[action("GRANT b", Some("closed"))]);
        assert_eq!(plan, before, "another denied action changes nothing");
        plan.undo_delegation(&[of(ActionKind::Delegate, Step::Admin)]);
        let actors: Vec<_> = plan.actions.iter().map(|action| action.actor).collect();
        assert_eq!(actors, [Actor::Admin, Actor::Master, Actor::Admin]);
    }

    #[test]
    fn denied_actions_become_warnings_each_once() {
        let needed = action("GRANT a", None);
        let optional = [action("GRANT b", Some("closed")), action("GRANT c", Some("closed"))];
        let actions = [&optional[..], std::slice::from_ref(&needed)].concat();
        let mut plan = Plan { actions, ..Plan::default() };
        plan.replace_denied(Action::is_optional);
        assert_eq!(plan.actions, [needed]);
        assert_eq!(plan.warnings, [optional[0].if_denied.clone().unwrap()]);
    }
}
