//! Changes to the roles, privileges and tables of a PostgreSQL server, with the SQL statement of each.

use std::collections::BTreeSet;
use std::fmt;

use super::declared::setting_sql;
use super::grants::{Verb, list};
use super::names::{identifier, visible};
use super::{CANARY, IAM_ROLE, Object, Privilege, Role, Warning};
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
    /// The batch of users that the change is part of, from 1. `None` for all other roles.
    pub(crate) batch: Option<usize>,
}

/// A change to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Creates the IAM admin, without its membership in `rds_iam`.
    CreateAdmin {
        /// The admin.
        role: Role,
    },
    /// Creates the role that owns the tables.
    CreateOwner {
        /// The role.
        role: Role,
    },
    /// Creates a user, without its membership in `rds_iam`.
    CreateUser {
        /// The user.
        role: Role,
    },
    /// Drops the role of a test, which a server that stopped meanwhile has left.
    DropCanary,
    /// Makes a role a member of another. For `rds_iam`, the member then logs in by IAM.
    GrantRole {
        /// The role.
        role: String,
        /// The member.
        member: String,
        /// Whether the server distinguishes INHERIT and SET, which the member then gets.
        with_options: bool,
    },
    /// Lets the IAM admin grant `rds_iam` to others, which it needs since PostgreSQL 16.
    Delegate {
        /// The admin.
        admin: Role,
    },
    /// Ends the password of a user that logs in by IAM from now on.
    EndPassword {
        /// The user.
        role: Role,
    },
    /// Changes attributes of a role, only those that differ.
    AlterRole {
        /// The role.
        role: Role,
        /// `CREATEROLE` or `NOCREATEROLE`.
        creates_roles: Option<bool>,
        /// `CREATEDB` or `NOCREATEDB`.
        creates_databases: Option<bool>,
        /// Whether to lift the limit on connections.
        unlimited: bool,
    },
    /// Sets a setting of a user's sessions.
    Set {
        /// The user.
        role: Role,
        /// The setting.
        name: String,
        /// The value, in the server's form.
        value: String,
    },
    /// Removes a setting of a user's sessions that is not declared.
    Reset {
        /// The user.
        role: Role,
        /// The setting.
        name: String,
        /// The database that the setting is for. `None` is all.
        database: Option<String>,
    },
    /// Ends a membership that is not declared.
    RevokeRole {
        /// The role.
        role: String,
        /// The member.
        member: String,
        /// The role that granted it.
        grantor: String,
        /// Whether only the right to grant the role to others ends.
        admin_only: bool,
    },
    /// Creates a schema.
    CreateSchema {
        /// The name.
        schema: String,
    },
    /// Creates an extension.
    CreateExtension {
        /// The name.
        extension: String,
        /// Its schema.
        schema: String,
    },
    /// Creates a table.
    CreateTable {
        /// The name.
        table: String,
        /// The statement.
        sql: String,
        /// The role that owns the table, if it is not the IAM admin.
        owner: Option<Role>,
    },
    /// Grants privileges that are declared and missing.
    Grant {
        /// The role.
        role: Role,
        /// The object.
        object: Object,
        /// The privileges.
        privileges: BTreeSet<Privilege>,
    },
    /// Revokes privileges that are not declared.
    Revoke {
        /// The role.
        role: Role,
        /// The object.
        object: Object,
        /// The privileges.
        privileges: BTreeSet<Privilege>,
    },
    /// Revokes the right to grant declared privileges to others.
    RevokeGrantOption {
        /// The role.
        role: Role,
        /// The object.
        object: Object,
        /// The privileges.
        privileges: BTreeSet<Privilege>,
    },
}

impl From<PlannedChange> for Action {
    fn from(PlannedChange { step, actor, change, batch }: PlannedChange) -> Self {
        Self {
            step,
            actor,
            kind: change.kind(),
            account: change.account().map(visible),
            text: change.to_string(),
            sql: change.sql(),
            if_denied: change.if_denied().map(Into::into),
            group: change.group(batch),
        }
    }
}

impl Change {
    /// Makes a role log in by IAM.
    pub(super) fn use_iam(role: &Role) -> Self {
        Self::GrantRole { role: IAM_ROLE.to_owned(), member: role.name().to_owned(), with_options: false }
    }

    /// Returns the statement.
    #[must_use]
    pub(crate) fn sql(&self) -> String {
        match self {
            Self::CreateAdmin { role } => format!("CREATE ROLE {} LOGIN CREATEROLE", role.sql()),
            Self::CreateOwner { role } => format!("CREATE ROLE {} NOLOGIN", role.sql()),
            Self::CreateUser { role } => format!("CREATE ROLE {} LOGIN", role.sql()),
            // The test drops it too, if it comes first.
            Self::DropCanary => format!("DROP ROLE IF EXISTS {}", identifier(CANARY)),
            Self::GrantRole { role, member, with_options } => {
                // A syntax error before 16.
                let with = if *with_options { " WITH INHERIT TRUE, SET TRUE" } else { "" };
                format!("GRANT {} TO {}{with}", identifier(role), identifier(member))
            }
            Self::Delegate { admin } => {
                format!("GRANT {} TO {} WITH ADMIN OPTION", identifier(IAM_ROLE), admin.sql())
            }
            Self::EndPassword { role } => format!("ALTER ROLE {} PASSWORD NULL", role.sql()),
            Self::AlterRole { role, creates_roles, creates_databases, unlimited } => {
                let attribute = |value: &Option<bool>, name: &str| match value {
                    None => String::new(),
                    Some(true) => format!(" {name}"),
                    Some(false) => format!(" NO{name}"),
                };
                let (roles, databases) =
                    (attribute(creates_roles, "CREATEROLE"), attribute(creates_databases, "CREATEDB"));
                let limit = if *unlimited { " CONNECTION LIMIT -1" } else { "" };
                format!("ALTER ROLE {}{roles}{databases}{limit}", role.sql())
            }
            Self::Set { role, name, value } => {
                format!("ALTER ROLE {} SET {name} = {}", role.sql(), setting_sql(name, value))
            }
            Self::Reset { role, name, database } => {
                let within =
                    database.as_ref().map(|database| format!(" IN DATABASE {}", identifier(database)));
                format!("ALTER ROLE {}{} RESET {name}", role.sql(), within.unwrap_or_default())
            }
            Self::RevokeRole { role, member, admin_only, .. } => {
                let option = if *admin_only { "ADMIN OPTION FOR " } else { "" };
                format!("REVOKE {option}{} FROM {}", identifier(role), identifier(member))
            }
            Self::CreateSchema { schema } => format!("CREATE SCHEMA IF NOT EXISTS {}", identifier(schema)),
            Self::CreateExtension { extension, schema } => {
                format!(
                    "CREATE EXTENSION IF NOT EXISTS {} SCHEMA {}",
                    identifier(extension),
                    identifier(schema)
                )
            }
            Self::CreateTable { sql, .. } => sql.clone(),
            Self::Grant { role, object, privileges } => {
                object.statement(Verb::Grant, privileges, role.name())
            }
            Self::Revoke { role, object, privileges } => {
                object.statement(Verb::Revoke, privileges, role.name())
            }
            Self::RevokeGrantOption { role, object, privileges } => {
                object.statement(Verb::RevokeGrantOption, privileges, role.name())
            }
        }
    }

    fn kind(&self) -> ActionKind {
        match self {
            Self::CreateAdmin { .. } | Self::CreateUser { .. } => ActionKind::CreateAccount,
            Self::CreateOwner { .. } => ActionKind::CreateRole,
            Self::DropCanary => ActionKind::DropRole,
            Self::GrantRole { role, .. } if role == IAM_ROLE => ActionKind::UseIam,
            Self::GrantRole { .. } => ActionKind::GrantRole,
            Self::Delegate { .. } => ActionKind::Delegate,
            Self::EndPassword { .. } => ActionKind::EndPassword,
            Self::AlterRole { unlimited: true, creates_roles: None, creates_databases: None, .. } => {
                ActionKind::LiftLimits
            }
            Self::AlterRole { .. } | Self::Set { .. } | Self::Reset { .. } => ActionKind::AlterRole,
            Self::RevokeRole { .. } => ActionKind::RevokeRole,
            Self::CreateSchema { .. } => ActionKind::CreateSchema,
            Self::CreateExtension { .. } => ActionKind::CreateExtension,
            Self::CreateTable { .. } => ActionKind::CreateTable,
            Self::Grant { .. } => ActionKind::Grant,
            Self::Revoke { .. } | Self::RevokeGrantOption { .. } => ActionKind::Revoke,
        }
    }

    fn account(&self) -> Option<&str> {
        match self {
            Self::CreateAdmin { role }
            | Self::CreateUser { role }
            | Self::CreateOwner { role }
            | Self::Delegate { admin: role }
            | Self::EndPassword { role }
            | Self::AlterRole { role, .. }
            | Self::Set { role, .. }
            | Self::Reset { role, .. }
            | Self::Grant { role, .. }
            | Self::Revoke { role, .. }
            | Self::RevokeGrantOption { role, .. } => Some(role.name()),
            Self::GrantRole { member, .. } | Self::RevokeRole { member, .. } => Some(member),
            Self::DropCanary => Some(CANARY),
            Self::CreateSchema { .. } | Self::CreateExtension { .. } | Self::CreateTable { .. } => None,
        }
    }

    /// Returns the name of the transaction that the change is made in, together with those before and after it of the
    /// same name: that of a batch of users, or of one role.
    fn group(&self, batch: Option<usize>) -> Option<String> {
        let part = match self {
            // The server may deny it, and the run continues.
            Self::Delegate { .. } => return None,
            Self::EndPassword { .. } => "passwords",
            Self::Grant { .. } | Self::Revoke { .. } | Self::RevokeGrantOption { .. } => "privileges",
            _ => "roles",
        };
        match batch {
            Some(number) => Some(format!("{part} of batch {number}")),
            None => self.account().map(|account| format!("{part} of {account}")),
        }
    }

    /// Returns the warning for a server that doesn't let the master user make the change.
    fn if_denied(&self) -> Option<Warning> {
        match self {
            Self::Delegate { admin } => Some(Warning::NotDelegated { admin: admin.clone() }),
            Self::EndPassword { role } => Some(Warning::PasswordStays { role: role.clone() }),
            _ => None,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateAdmin { role } | Self::CreateUser { role } => write!(f, "create {role}"),
            Self::CreateOwner { role } => write!(f, "create the role {role}, which owns the tables"),
            Self::DropCanary => {
                write!(f, "drop role {CANARY}: left by a server that stopped during the test")
            }
            Self::GrantRole { role, member, .. } if role == IAM_ROLE => {
                write!(f, "let {} log in by IAM, and by IAM only", visible(member))
            }
            Self::Delegate { admin } => write!(f, "let {admin} make others log in by IAM"),
            Self::GrantRole { role, member, .. } => {
                write!(f, "make {} a member of {}", visible(member), visible(role))
            }
            Self::EndPassword { role } => write!(f, "end the password of {role}, if it has one"),
            Self::AlterRole { role, creates_roles, creates_databases, unlimited } => {
                let mut parts = Vec::new();
                for (value, right) in
                    [(creates_roles, "create roles"), (creates_databases, "create databases")]
                {
                    match value {
                        None => {}
                        Some(true) => parts.push(format!("let {role} {right}")),
                        Some(false) => parts.push(format!("end the right of {role} to {right}")),
                    }
                }
                if *unlimited {
                    parts.push(format!("lift the limit on connections of {role}"));
                }
                f.write_str(&parts.join("; "))
            }
            Self::Set { role, name, value } => write!(f, "set {name} = {value} for sessions of {role}"),
            Self::Reset { role, name, database: None } => write!(f, "remove the setting {name} of {role}"),
            Self::Reset { role, name, database: Some(database) } => {
                write!(f, "remove the setting {name} of {role} in database {}", visible(database))
            }
            Self::RevokeRole { role, member, admin_only: true, .. } => {
                write!(f, "end the right of {} to grant the role {}", visible(member), visible(role))
            }
            Self::RevokeRole { role, member, .. } => {
                write!(f, "revoke the role {} from {}", visible(role), visible(member))
            }
            Self::CreateSchema { schema } => write!(f, "create schema {}", visible(schema)),
            Self::CreateExtension { extension, .. } => write!(f, "create extension {}", visible(extension)),
            Self::CreateTable { table, owner, .. } => {
                write!(f, "create table {}", visible(table))?;
                match owner {
                    Some(owner) => write!(f, ", owned by {owner}"),
                    None => Ok(()),
                }
            }
            Self::Grant { role, object, privileges } => {
                write!(f, "grant {} on {object} to {role}", list(privileges))
            }
            Self::Revoke { role, object, privileges } => {
                write!(f, "revoke {} on {object} from {role}", list(privileges))
            }
            Self::RevokeGrantOption { role, object, privileges } => {
                write!(f, "end the right of {role} to grant {} on {object}", list(privileges))
            }
        }
    }
}
