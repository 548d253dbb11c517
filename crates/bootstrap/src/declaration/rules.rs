//! Rules for declarations that are the same for every engine.

use std::fmt;

use super::{SchemaText, Violations};

/// The subject of errors about the IAM admin: its key in `rds.conf`, and its variable in a Lambda function.
pub(crate) const IAM_ADMIN: &str = "IAM_ADMIN_USER";

/// The origin of errors about the keys of `rds.conf`, which may also be variables.
pub(crate) const CONFIGURATION: &str = "the deployment's configuration";

/// The reason for which a name is refused that is the master user's.
pub(crate) const IS_MASTER: &str = "is the master user, which is never changed";

/// Parses the statements that create tables, and refuses a table that is created twice.
pub(crate) fn check_tables<T, E: fmt::Display>(
    schema: &[SchemaText],
    violations: &mut Violations,
    parse: fn(&str) -> Result<Vec<T>, E>,
    name: fn(&T) -> &str,
) -> Vec<T> {
    let mut tables: Vec<T> = Vec::new();
    for text in schema {
        for table in violations.keep(&text.origin, parse(&text.sql)).unwrap_or_default() {
            if tables.iter().any(|other| name(other) == name(&table)) {
                let message = format_args!("table {} is created twice: keep one statement", name(&table));
                violations.add(&text.origin, message);
            }
            tables.push(table);
        }
    }
    tables
}
