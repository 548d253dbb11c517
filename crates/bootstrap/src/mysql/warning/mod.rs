//! Warnings: observations for an operator, which a run does not change.

use std::fmt;

use super::grants::list;
use super::names::visible;
use super::{Account, Grants};
use crate::plan;

/// The number of objects that a warning lists.
const OBJECTS_SHOWN: usize = 3;

/// An observation for an operator, which a run does not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Warning {
    /// The name also exists at another host, which the server chooses first.
    OtherHost {
        /// The declared account.
        account: Account,
        /// The other account.
        other: Account,
    },
    /// The name also exists at another host, for clients that the declared account doesn't match.
    FurtherHost {
        /// The declared account.
        account: Account,
        /// The other account.
        other: Account,
    },
    /// The name also exists at a host that no client has.
    NoClient {
        /// The declared account.
        account: Account,
        /// The other account.
        other: Account,
    },
    /// An account without a name, which the server chooses first for clients from its host.
    Anonymous {
        /// The account without a name.
        anonymous: Account,
        /// The declared account, or the first of several.
        account: Account,
        /// The number of other declared accounts that it precedes.
        more: usize,
    },
    /// An operator locked the account.
    Locked {
        /// The account.
        account: Account,
    },
    /// The account requires more than TLS, such as a client certificate. Only an operator may relax that.
    StricterTls {
        /// The account.
        account: Account,
    },
    /// The account requires a second factor, which a login by IAM alone doesn't have.
    FurtherFactor {
        /// The account.
        account: Account,
    },
    /// The account may act as another user.
    Proxy {
        /// The account.
        account: Account,
        /// The other user.
        proxied: Account,
    },
    /// The server grants every account these roles.
    MandatoryRoles {
        /// `@@mandatory_roles`.
        roles: String,
        /// Whether they are active at each login.
        active: bool,
    },
    /// An undeclared account that logs in by IAM or has privileges on a declared database.
    Undeclared {
        /// The account.
        account: Account,
        /// Whether the account logs in by IAM.
        is_iam: bool,
        /// Its privileges on the declared databases and on the whole server.
        grants: Grants,
    },
    /// The rest of the [undeclared](Self::Undeclared) accounts, which are not listed.
    MoreUndeclared {
        /// The number of accounts.
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
                "{other} exists beside {account} and is used instead by clients from that host; if no client needs it: DROP USER {}",
                other.sql()
            ),
            Self::FurtherHost { account, other } => write!(
                f,
                "{other} exists beside {account}, for clients that {account} does not match, and is not declared; if no client needs it: DROP USER {}",
                other.sql()
            ),
            Self::NoClient { account, other } => write!(
                f,
                "{other} exists beside {account} and matches no client, because the wildcard of hosts is %; to remove it: DROP USER {}",
                other.sql()
            ),
            Self::Anonymous { anonymous, account, more } => {
                write!(f, "the account without a name {anonymous} precedes {account}")?;
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
                "{account} is locked, which is left; to unlock it: ALTER USER {} ACCOUNT UNLOCK",
                account.sql()
            ),
            Self::StricterTls { account } => write!(
                f,
                "{account} requires more than TLS, such as a client certificate, which is left; IAM logins of this project present none and are refused; to require TLS only: ALTER USER {} REQUIRE SSL",
                account.sql()
            ),
            Self::FurtherFactor { account } => write!(
                f,
                "{account} requires a second authentication factor, which is left; IAM logins of this project have none and are refused; to require none: ALTER USER {} DROP 2 FACTOR",
                account.sql()
            ),
            Self::Proxy { account, proxied } => write!(
                f,
                "{account} may act as {proxied}, and only a user with that right can revoke it: REVOKE PROXY ON {} FROM {}",
                proxied.sql(),
                account.sql()
            ),
            Self::MandatoryRoles { roles, active } => {
                let when = if *active {
                    "at each login, because activate_all_roles_on_login is ON"
                } else {
                    "after SET ROLE"
                };
                write!(
                    f,
                    "the server's mandatory_roles grant every user the privileges of {}, {when}: more than is declared; to stop that, empty mandatory_roles in the parameter group",
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
                    let shown: Vec<_> = shown
                        .map(|(object, privileges)| format!("{} on {object}", list(privileges)))
                        .collect();
                    write!(f, " and has {}", shown.join("; "))?;
                    if grants.len() > OBJECTS_SHOWN {
                        write!(f, "; and more on {} others", grants.len() - OBJECTS_SHOWN)?;
                    }
                }
                write!(f, "; it is left: declare it, or if no program needs it: DROP USER {}", account.sql())
            }
            Self::MoreUndeclared { count } => {
                write!(
                    f,
                    "{count} more undeclared accounts log in by IAM or have privileges on these databases"
                )
            }
            Self::ClosedCatalog { account } => write!(
                f,
                "the server did not let {account} read all tables of mysql that hold accounts and grants; the master user reads them instead"
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
        Self { text: warning.to_string(), refused_account, locked_account: None }
    }
}

#[cfg(test)]
mod tests;
