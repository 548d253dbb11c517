//! Everything that is MySQL's own: names and their quoting, privileges, the catalog, the plan and its
//! SQL. PostgreSQL will be a second module beside this one.

mod catalog;
mod change;
mod grants;
mod hosts;
mod limits;
mod lock;
mod missing;
mod names;
mod plan;
mod privilege;
mod query;
mod schema;
mod warning;

pub(crate) use catalog::observe;
pub use catalog::{Observed, ObservedAccount};
pub use change::{Action, Actor, Change, Step};
pub use grants::{Grant, Grants, Object, RoutineKind};
pub use limits::Limits;
pub(crate) use lock::take as take_lock;
pub use missing::Missing;
pub use names::{Account, AccountError};
pub use plan::{Plan, plan};
pub use privilege::{Privilege, PrivilegeError};
pub(crate) use query::answer;
pub use schema::{CreateTable, SchemaError};
pub use warning::Warning;

/// The authentication plugin that checks IAM tokens on RDS.
pub const PLUGIN: &str = "AWSAuthenticationPlugin";

/// What RDS has after `AS`: the plugin's authentication string.
pub(crate) const PLUGIN_STRING: &str = "RDS";

/// Databases that belong to the server: no application user gets anything there.
pub(crate) const SYSTEM_DATABASES: [&str; 4] = ["information_schema", "mysql", "performance_schema", "sys"];
