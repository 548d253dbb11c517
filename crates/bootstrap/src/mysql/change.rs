//! What a run does to the server: one statement each, for the server, for a person and for a program.

use std::collections::BTreeSet;
use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::names::visible;
use super::{Account, Limits, Object, PLUGIN, PLUGIN_STRING, Privilege};

/// One statement, and who runs it when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Action {
    /// The step of the run.
    pub step: Step,
    /// Who runs it.
    pub actor: Actor,
    /// What it does.
    pub change: Change,
}

/// The steps of a run.
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
    /// 5: make the tables, create or correct the users.
    Users = 5,
    /// 6: verify.
    Verify = 6,
}

/// Who runs a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Actor {
    /// The master user. For the admin itself, and to take away what the admin doesn't have.
    Master,
    /// The IAM admin.
    Admin,
}

/// A change to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Creates an account that logs in by IAM, over TLS only.
    CreateAccount {
        /// The account.
        account: Account,
    },
    /// Makes an existing account log in by IAM, over TLS only. A password that it had ends; what it
    /// demands beyond TLS stays.
    UseIam {
        /// The account.
        account: Account,
        /// The plugin that it has.
        from: String,
        /// Whether it demands more than TLS, which stays.
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
        /// The limits that it has.
        limits: Limits,
    },
    /// Grants what is declared and missing.
    Grant {
        /// The account.
        account: Account,
        /// On what.
        object: Object,
        /// What.
        privileges: BTreeSet<Privilege>,
    },
    /// Revokes what isn't declared.
    Revoke {
        /// The account.
        account: Account,
        /// On what.
        object: Object,
        /// What.
        privileges: BTreeSet<Privilege>,
        /// Whether the object stands for several databases.
        wildcard: bool,
    },
    /// Takes away a role. None can be declared.
    RevokeRole {
        /// The account.
        account: Account,
        /// The role.
        role: Account,
    },
    /// Creates a table.
    CreateTable {
        /// Its name.
        table: String,
        /// The statement.
        sql: String,
    },
}

impl Action {
    /// The statement.
    #[must_use]
    pub fn sql(&self) -> String {
        let iam = format!("IDENTIFIED WITH {PLUGIN} AS '{PLUGIN_STRING}'");
        match &self.change {
            Change::CreateAccount { account } => {
                format!("CREATE USER IF NOT EXISTS {} {iam} REQUIRE SSL", account.sql())
            }
            Change::UseIam { account, stricter, .. } => {
                // Without REQUIRE, what the account demands stays as it is.
                let require = if *stricter { "" } else { " REQUIRE SSL" };
                format!("ALTER USER {} {iam}{require}", account.sql())
            }
            Change::RequireTls { account } => format!("ALTER USER {} REQUIRE SSL", account.sql()),
            Change::LiftLimits { account, limits } => {
                format!("ALTER USER {} {}", account.sql(), limits.lifted())
            }
            Change::Grant { account, object, privileges } => {
                let mut plain = privileges.clone();
                let hand_on = plain.remove(&Privilege::GRANT_OPTION);
                if plain.is_empty() {
                    plain.insert(Privilege::named("USAGE"));
                }
                let with = if hand_on { " WITH GRANT OPTION" } else { "" };
                format!("GRANT {} TO {}{with}", object.sql(&plain), account.sql())
            }
            Change::Revoke { account, object, privileges, .. } => {
                format!("REVOKE {} FROM {}", object.sql(privileges), account.sql())
            }
            Change::RevokeRole { account, role } => format!("REVOKE {} FROM {}", role.sql(), account.sql()),
            Change::CreateTable { sql, .. } => sql.clone(),
        }
    }

    /// Whether a run goes on where the server denies this: letting the admin read the catalog. Where the
    /// admin may not, the master user reads.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        let on_catalog =
            |object: &Object| matches!(object, Object::Table { database, .. } if database == "mysql");
        matches!(&self.change, Change::Grant { object, .. } if on_catalog(object))
    }
}

impl Change {
    /// `+` for what is new, `~` for what changes, `-` for what goes.
    pub(crate) fn sign(&self) -> char {
        match self {
            Self::CreateAccount { .. } | Self::Grant { .. } | Self::CreateTable { .. } => '+',
            Self::UseIam { .. } | Self::RequireTls { .. } => '~',
            Self::LiftLimits { .. } | Self::Revoke { .. } | Self::RevokeRole { .. } => '-',
        }
    }

    /// A short name, for programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateAccount { .. } => "create_account",
            Self::UseIam { .. } => "use_iam",
            Self::RequireTls { .. } => "require_tls",
            Self::LiftLimits { .. } => "lift_limits",
            Self::Grant { .. } => "grant",
            Self::Revoke { .. } => "revoke",
            Self::RevokeRole { .. } => "revoke_role",
            Self::CreateTable { .. } => "create_table",
        }
    }

    /// The account that it is about, where it is about one.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
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
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateAccount { account } => write!(f, "create {account} (login by IAM, over TLS only)"),
            Self::UseIam { account, from, .. } if from == PLUGIN => {
                write!(f, "set up IAM as RDS has it for {account}")
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
                if *wildcard { f.write_str(" (_ and % stand for any characters there)") } else { Ok(()) }
            }
            Self::RevokeRole { account, role } => write!(f, "take the role {role} from {account}"),
            Self::CreateTable { table, .. } => write!(f, "create table {}", visible(table)),
        }
    }
}

pub(super) fn list(privileges: &BTreeSet<Privilege>) -> String {
    privileges.iter().map(|p| visible(&p.to_string())).collect::<Vec<_>>().join(", ")
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut action = serializer.serialize_struct("Action", 6)?;
        action.serialize_field("step", &(self.step as u8))?;
        action.serialize_field("as", &self.actor)?;
        action.serialize_field("change", self.change.name())?;
        action.serialize_field("account", &self.change.account())?;
        action.serialize_field("summary", &self.change.to_string())?;
        action.serialize_field("sql", &self.sql())?;
        action.end()
    }
}
