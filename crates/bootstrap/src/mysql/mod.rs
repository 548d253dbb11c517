//! Everything specific to MySQL: names and their quoting, privileges, the catalog, the difference between the declared
//! and the observed, and its SQL. A second engine is a second module, with files of the same names.
//!
//! Only MySQL: accounts with hosts, plugins and grants; `postgres` has roles.

mod catalog;
mod change;
mod declared;
mod diff;
mod error;
#[cfg(test)]
mod fixture;
mod grants;
mod hosts;
mod limits;
mod lock;
mod missing;
mod names;
mod privilege;
mod query;
mod schema;
mod session;
mod warning;

pub(crate) use catalog::{Observed, ObservedAccount};
pub(crate) use change::{Change, PlannedChange};
pub(crate) use declared::Declared;
pub(crate) use diff::diff;
pub(crate) use error::{is_locked, is_wrong_password};
pub(crate) use grants::{Grant, Grants, Object};
pub(crate) use limits::Limits;
pub(crate) use names::Account;
pub(crate) use privilege::Privilege;
pub(crate) use schema::CreateTable;
pub(crate) use session::Session;
pub(crate) use warning::Warning;

/// The authentication plugin that checks IAM tokens on RDS.
pub(crate) const PLUGIN: &str = "AWSAuthenticationPlugin";

/// The plugin's authentication string, after `AS`.
pub(crate) const PLUGIN_STRING: &str = "RDS";

/// Databases that belong to the server: no application user has a grant there.
pub(crate) const SYSTEM_DATABASES: [&str; 4] = ["information_schema", "mysql", "performance_schema", "sys"];
