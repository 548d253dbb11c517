//! Warnings: observations for an operator, which a run does not change.

use std::fmt;

use super::names::{identifier, visible};
use super::{CANARY, Object, Owned, Role};
use crate::plan;

/// An observation for an operator, which a run does not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Warning {
    /// The role may not log in (`NOLOGIN`).
    Locked {
        /// The role.
        role: Role,
    },
    /// The user owns objects, on which it has every privilege.
    Owns {
        /// The user.
        role: Role,
        /// What it owns.
        owned: Owned,
        /// The role that could own it instead.
        owner: Role,
    },
    /// Neither the master user nor the admin may grant on an object that a declaration covers by `*`.
    NotGranted {
        /// The user, or the first of several.
        role: Role,
        /// The object.
        object: Object,
        /// The object's owner.
        owner: String,
        /// The statement for the owner.
        sql: String,
    },
    /// Only another role can revoke this.
    NotRevoked {
        /// The role.
        role: Role,
        /// What it has, in words.
        what: String,
        /// The role that granted it.
        grantor: String,
        /// The statement for the grantor.
        sql: String,
    },
    /// The server does not let the master user give the IAM admin the right to grant `rds_iam`.
    NotDelegated {
        /// The admin.
        admin: Role,
    },
    /// The server does not let the master user end a password.
    PasswordStays {
        /// The user.
        role: Role,
    },
    /// A role has the name of the one that a run creates for a test, and is not as a run creates it.
    CanaryStays {
        /// The difference, in words.
        reason: &'static str,
    },
    /// The server admits connections without TLS.
    TlsNotForced,
    /// A role that logs in by IAM and is not declared.
    Undeclared {
        /// The role.
        role: String,
        /// The role that makes it a member of `rds_iam`, if it is not a direct one.
        through: Option<String>,
    },
    /// A role that is not declared loses its login by password, as a member of one that is.
    PasswordEnds {
        /// The role.
        role: String,
        /// The role that it is a member of.
        through: String,
    },
    /// The rest of the [undeclared](Self::Undeclared) roles, which are not listed.
    MoreUndeclared {
        /// The number of roles.
        count: usize,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { role } => write!(
                f,
                "{role} may not log in, which is left; to let it: ALTER ROLE {} LOGIN",
                role.sql()
            ),
            Self::Owns { role, owned, owner } => {
                let Owned { count, example } = owned;
                let noun = if *count == 1 { "object" } else { "objects" };
                write!(f, "{role} owns {count} {noun}")?;
                if let Some(example) = example {
                    write!(f, ", such as {}", visible(example))?;
                }
                write!(
                    f,
                    ", on which it has every privilege; to end that, in each database: REASSIGN OWNED BY {} TO {}",
                    role.sql(),
                    owner.sql()
                )
            }
            Self::NotGranted { role, object, owner, sql } => write!(
                f,
                "{role} lacks declared privileges on {object}, which only its owner {} can grant: {sql}",
                visible(owner)
            ),
            Self::NotRevoked { role, what, grantor, sql } => write!(
                f,
                "{role} has {what}, which is not declared and only {} can revoke: {sql}",
                visible(grantor)
            ),
            Self::NotDelegated { admin } => write!(
                f,
                "the server did not let the master user give {admin} the right to grant rds_iam; the master user grants it to each user"
            ),
            Self::PasswordStays { role } => write!(
                f,
                "the server did not let the master user end the password of {role}; it has no effect on a user that logs in by IAM"
            ),
            Self::CanaryStays { reason } => write!(
                f,
                "the role {CANARY} is left, because {reason}; it has the name of the role that a run creates to test the master user's login, and that test fails as long as it exists: drop it, or rename it: ALTER ROLE {} RENAME TO other_name",
                identifier(CANARY)
            ),
            Self::TlsNotForced => f.write_str(
                "rds.force_ssl is 0: clients may send passwords and data without TLS; set it to 1 in the parameter group",
            ),
            Self::PasswordEnds { role, through } => write!(
                f,
                "{role} is a member of {through}, which logs in by IAM only, and so does {role} then: ITS LOGIN BY PASSWORD ENDS; to keep it, before the run: REVOKE {} FROM {}",
                identifier(through),
                identifier(role),
                role = visible(role),
                through = visible(through),
            ),
            Self::Undeclared { role, through: Some(through) } => write!(
                f,
                "{} is not declared, and logs in by IAM as a member of {}; it is left: declare it, or to end that: REVOKE {} FROM {}",
                visible(role),
                visible(through),
                identifier(through),
                identifier(role)
            ),
            Self::Undeclared { role, through: None } => write!(
                f,
                "{} is not declared, and logs in by IAM; it is left: declare it, or if no program needs it: DROP ROLE {}",
                visible(role),
                identifier(role)
            ),
            Self::MoreUndeclared { count } => write!(f, "{count} more undeclared roles log in by IAM"),
        }
    }
}

impl From<Warning> for plan::Warning {
    fn from(warning: Warning) -> Self {
        let locked_account = match &warning {
            Warning::Locked { role } => Some(role.to_string()),
            _ => None,
        };
        Self { text: warning.to_string(), refused_account: None, locked_account }
    }
}

#[cfg(test)]
mod tests;
