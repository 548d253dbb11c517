//! What a run leaves to a person.

use std::fmt;

use super::change::list;
use super::names::visible;
use super::{Account, Grants};
use crate::plan;

/// How many objects a warning lists.
const OBJECTS_SHOWN: usize = 3;

/// What a run leaves to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The name exists at another host too, which the server takes first.
    OtherHost {
        /// The account that is declared.
        account: Account,
        /// The other one.
        other: Account,
    },
    /// The name exists at another host too, for clients that the declared account doesn't let in.
    FurtherHost {
        /// The account that is declared.
        account: Account,
        /// The other one.
        other: Account,
    },
    /// The name exists at a host that no client comes from.
    NoClient {
        /// The account that is declared.
        account: Account,
        /// The other one.
        other: Account,
    },
    /// An account without a name, which the server takes first for clients from its host.
    Anonymous {
        /// The account without a name.
        anonymous: Account,
        /// The declared account, or one of them.
        account: Account,
        /// How many other declared accounts it comes before.
        more: usize,
    },
    /// An operator locked the account.
    Locked {
        /// The account.
        account: Account,
    },
    /// It demands more than TLS: a client certificate, as a rule. Only a person may weaken that.
    StricterTls {
        /// The account.
        account: Account,
    },
    /// It demands a second factor, which a login by IAM alone doesn't have.
    FurtherFactor {
        /// The account.
        account: Account,
    },
    /// It may act as another user.
    Proxy {
        /// The account.
        account: Account,
        /// Whom it may act as.
        proxied: Account,
    },
    /// The server gives every account these roles.
    MandatoryRoles {
        /// `@@mandatory_roles`.
        roles: String,
        /// Whether each login has them at once.
        active: bool,
    },
    /// It reaches a declared database, or logs in by IAM, and is not declared.
    Undeclared {
        /// The account.
        account: Account,
        /// Whether it logs in by IAM.
        is_iam: bool,
        /// What it may do on the declared databases and on the whole server.
        grants: Grants,
    },
    /// As [`Undeclared`](Self::Undeclared), for those that are not listed.
    MoreUndeclared {
        /// How many.
        count: usize,
    },
    /// The admin may not read the catalog, so the master user reads it.
    ClosedCatalog {
        /// The admin.
        account: Account,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherHost { account, other } => write!(
                f,
                "{other} exists beside {account} and is used in its place by clients from that host; if no client needs it: DROP USER {}",
                other.sql()
            ),
            Self::FurtherHost { account, other } => write!(
                f,
                "{other} exists beside {account}, for clients that {account} does not match, and is not declared; if no client needs it: DROP USER {}",
                other.sql()
            ),
            Self::NoClient { account, other } => write!(
                f,
                "{other} exists beside {account} and matches no client, since the wildcard of hosts is %; to remove it: DROP USER {}",
                other.sql()
            ),
            Self::Anonymous { anonymous, account, more } => {
                write!(f, "the account without a name {anonymous} comes before {account}")?;
                if *more > 0 {
                    write!(f, " and {more} more")?;
                }
                write!(
                    f,
                    " for clients from its host, whose logins fail or have its privileges; if no client needs it: DROP USER {}",
                    anonymous.sql()
                )
            }
            Self::Locked { account } => write!(
                f,
                "{account} is locked, which is left as it is; to let it in again: ALTER USER {} ACCOUNT UNLOCK",
                account.sql()
            ),
            Self::StricterTls { account } => write!(
                f,
                "{account} demands more than TLS, such as a client certificate, which is left as it is; IAM logins of this project show none and are refused: to demand TLS only: ALTER USER {} REQUIRE SSL",
                account.sql()
            ),
            Self::FurtherFactor { account } => write!(
                f,
                "{account} demands a second authentication factor, which is left as it is; IAM logins of this project have none and are refused: to demand none: ALTER USER {} DROP 2 FACTOR",
                account.sql()
            ),
            Self::Proxy { account, proxied } => write!(
                f,
                "{account} may act as {proxied}, and only a user with that right can take it away: REVOKE PROXY ON {} FROM {}",
                proxied.sql(),
                account.sql()
            ),
            Self::MandatoryRoles { roles, active } => {
                let when = if *active {
                    "at each login, since activate_all_roles_on_login is ON"
                } else {
                    "after SET ROLE"
                };
                write!(
                    f,
                    "the server's mandatory_roles give every user what {} may do, {when}: more than is declared; to end it, empty mandatory_roles in the parameter group",
                    visible(roles)
                )
            }
            Self::Undeclared { account, is_iam, grants } => {
                write!(f, "{account} is not declared")?;
                if *is_iam {
                    f.write_str(", logs in by IAM")?;
                }
                if !grants.is_empty() {
                    let shown = grants.iter().take(OBJECTS_SHOWN);
                    let shown: Vec<_> =
                        shown.map(|(object, what)| format!("{} on {object}", list(what))).collect();
                    write!(f, " and has {}", shown.join("; "))?;
                    if grants.len() > OBJECTS_SHOWN {
                        write!(f, "; and more on {} others", grants.len() - OBJECTS_SHOWN)?;
                    }
                }
                write!(
                    f,
                    "; it stays as it is: declare it, or if no program needs it: DROP USER {}",
                    account.sql()
                )
            }
            Self::MoreUndeclared { count } => {
                write!(
                    f,
                    "{count} more accounts that are not declared log in by IAM or reach these databases"
                )
            }
            Self::ClosedCatalog { account } => write!(
                f,
                "the server may not let {account} read all of the tables of mysql that hold accounts and grants; the master user reads them in its place"
            ),
        }
    }
}

impl From<Warning> for plan::Warning {
    fn from(warning: Warning) -> Self {
        let refused_account = match &warning {
            Warning::StricterTls { account } => Some(account.to_string()),
            _ => None,
        };
        Self { text: warning.to_string(), refused_account }
    }
}

#[cfg(test)]
mod tests;
