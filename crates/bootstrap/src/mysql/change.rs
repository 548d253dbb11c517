//! Changes to the accounts, privileges and tables of a MySQL server, with the SQL statement of each.

use std::collections::BTreeSet;
use std::fmt;

use super::grants::list;
use super::names::visible;
use super::{Account, Limits, Object, PLUGIN, PLUGIN_STRING, Privilege, Warning};
use crate::plan::{Action, ActionKind, Actor, Step};

/// A change to the server, with its step and its actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedChange {
    /// The step of the run.
    pub(crate) step: Step,
    /// The user that makes the change.
    pub(crate) actor: Actor,
    /// The change.
    pub(crate) change: Change,
}

/// A change to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Creates an account that logs in by IAM, over TLS only.
    CreateAccount {
        /// The account.
        account: Account,
    },
    /// Makes an existing account log in by IAM, over TLS only. Its password ends; its requirements beyond TLS stay.
    UseIam {
        /// The account.
        account: Account,
        /// The account's present plugin.
        from: String,
        /// Whether the account requires more than TLS, which stays.
        stricter: bool,
    },
    /// Makes an existing account connect over TLS only.
    RequireTls {
        /// The account.
        account: Account,
    },
    /// Removes the limits on an account's logins and statements. None can be declared.
    LiftLimits {
        /// The account.
        account: Account,
        /// The account's present limits.
        limits: Limits,
    },
    /// Grants privileges that are declared and missing.
    Grant {
        /// The account.
        account: Account,
        /// The object.
        object: Object,
        /// The privileges.
        privileges: BTreeSet<Privilege>,
    },
    /// Revokes privileges that are not declared.
    Revoke {
        /// The account.
        account: Account,
        /// The object.
        object: Object,
        /// The privileges.
        privileges: BTreeSet<Privilege>,
        /// Whether the object is a pattern for several databases.
        wildcard: bool,
    },
    /// Revokes a role. None can be declared.
    RevokeRole {
        /// The account.
        account: Account,
        /// The role.
        role: Account,
    },
    /// Creates a table.
    CreateTable {
        /// The name.
        table: String,
        /// The statement.
        sql: String,
    },
}

impl From<PlannedChange> for Action {
    fn from(PlannedChange { step, actor, change }: PlannedChange) -> Self {
        Self {
            step,
            actor,
            kind: change.kind(),
            account: change.account().map(ToString::to_string),
            text: change.to_string(),
            sql: change.sql(),
            if_denied: change.if_denied().map(Into::into),
            group: None,
        }
    }
}

impl Change {
    /// Returns the statement.
    #[must_use]
    pub(crate) fn sql(&self) -> String {
        let iam = format!("IDENTIFIED WITH {PLUGIN} AS '{PLUGIN_STRING}'");
        match self {
            Self::CreateAccount { account } => {
                format!("CREATE USER IF NOT EXISTS {} {iam} REQUIRE SSL", account.sql())
            }
            Self::UseIam { account, stricter, .. } => {
                // Without REQUIRE, the account's requirements stay.
                let require = if *stricter { "" } else { " REQUIRE SSL" };
                format!("ALTER USER {} {iam}{require}", account.sql())
            }
            Self::RequireTls { account } => format!("ALTER USER {} REQUIRE SSL", account.sql()),
            Self::LiftLimits { account, limits } => {
                format!("ALTER USER {} {}", account.sql(), limits.lifted())
            }
            Self::Grant { account, object, privileges } => {
                let mut plain = privileges.clone();
                let with_grant_option = plain.remove(&Privilege::GRANT_OPTION);
                if plain.is_empty() {
                    plain.insert(Privilege::from_name("USAGE"));
                }
                let with = if with_grant_option { " WITH GRANT OPTION" } else { "" };
                format!("GRANT {} TO {}{with}", object.sql(&plain), account.sql())
            }
            Self::Revoke { account, object, privileges, .. } => {
                format!("REVOKE {} FROM {}", object.sql(privileges), account.sql())
            }
            Self::RevokeRole { account, role } => format!("REVOKE {} FROM {}", role.sql(), account.sql()),
            Self::CreateTable { sql, .. } => sql.clone(),
        }
    }

    fn kind(&self) -> ActionKind {
        match self {
            Self::CreateAccount { .. } => ActionKind::CreateAccount,
            Self::UseIam { .. } => ActionKind::UseIam,
            Self::RequireTls { .. } => ActionKind::RequireTls,
            Self::LiftLimits { .. } => ActionKind::LiftLimits,
            Self::Grant { .. } => ActionKind::Grant,
            Self::Revoke { .. } => ActionKind::Revoke,
            Self::RevokeRole { .. } => ActionKind::RevokeRole,
            Self::CreateTable { .. } => ActionKind::CreateTable,
        }
    }

    fn account(&self) -> Option<&Account> {
        match self {
            Self::CreateAccount { account }
            | Self::UseIam { account, .. }
            | Self::RequireTls { account }
            | Self::LiftLimits { account, .. }
            | Self::Grant { account, .. }
            | Self::Revoke { account, .. }
            | Self::RevokeRole { account, .. } => Some(account),
            Self::CreateTable { .. } => None,
        }
    }

    /// Returns the warning for a run without the admin's right to read the catalog: the master user reads it then.
    fn if_denied(&self) -> Option<Warning> {
        match self {
            Self::Grant { account, object: Object::Table { database, .. }, .. } if database == "mysql" => {
                Some(Warning::ClosedCatalog { account: account.clone() })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateAccount { account } => write!(f, "create {account} (login by IAM, over TLS only)"),
            Self::UseIam { account, from, .. } if from == PLUGIN => {
                write!(f, "set up IAM for {account} as RDS expects it")
            }
            Self::UseIam { account, from, .. } => {
                write!(f, "switch {account} from {} to IAM: its password ends", visible(from))
            }
            Self::RequireTls { account } => write!(f, "require TLS of {account}"),
            Self::LiftLimits { account, limits } => write!(f, "lift the limits of {account} ({limits})"),
            Self::Grant { account, object, privileges } => {
                write!(f, "grant {} on {object} to {account}", list(privileges))
            }
            Self::Revoke { account, object, privileges, wildcard } => {
                write!(f, "revoke {} on {object} from {account}", list(privileges))?;
                if *wildcard { f.write_str(" (_ and % are wildcards there)") } else { Ok(()) }
            }
            Self::RevokeRole { account, role } => write!(f, "revoke the role {role} from {account}"),
            Self::CreateTable { table, .. } => write!(f, "create table {}", visible(table)),
        }
    }
}
