//! Everything specific to PostgreSQL: names and their quoting, privileges, the catalog, the difference between the
//! declared and the observed, its SQL, and the protection of the master user's login. The files have the names of
//! MySQL's.
//!
//! Only PostgreSQL: roles with members, owners and default privileges, and a master user that can be locked out; `mysql`
//! has accounts.

mod canary;
mod catalog;
mod catalog_sql;
mod change;
mod connection;
mod declared;
mod diff;
mod error;
#[cfg(test)]
mod fixture;
mod grants;
mod lock;
mod lockout;
mod merge;
mod missing;
mod names;
mod observed;
mod privilege;
mod schema;
mod session;
mod transaction;
mod version;
mod wanted;
mod warning;

pub(crate) use change::{Change, PlannedChange};
pub(crate) use declared::{Declared, User};
pub(crate) use diff::diff;
pub(crate) use error::{is_no_database, is_wrong_password};
pub(crate) use grants::{FutureObjects, Grant, Held, Object, ObservedGrants, OtherKind, Scope};
pub(crate) use lockout::Memberships;
pub(crate) use missing::database as missing_database;
pub(crate) use names::Role;
pub(crate) use observed::{Canary, Membership, Observed, ObservedRole, Owned, Relation, Routine};
pub(crate) use privilege::{Kind, Privilege};
pub(crate) use schema::CreateTable;
pub(crate) use session::Session;
pub(crate) use version::Version;
pub(crate) use warning::Warning;

/// The role whose members log in to RDS by token.
pub(crate) const IAM_ROLE: &str = "rds_iam";

/// The role of the test of the master user's login.
pub(crate) const CANARY: &str = "rds_iam_bootstrap_canary";

/// The role that RDS grants to its master user.
pub(crate) const MASTER_ROLE: &str = "rds_superuser";

/// The schema that exists in each database.
pub(crate) const DEFAULT_SCHEMA: &str = "public";
