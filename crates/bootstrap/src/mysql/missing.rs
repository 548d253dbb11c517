//! What the declaration speaks about and neither exists nor will.

use std::collections::BTreeSet;

use super::Observed;
use super::names::{identifier, visible};
use crate::Declaration;

/// What the declaration speaks about and neither exists nor will.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.list())]
#[non_exhaustive]
pub struct Missing {
    /// Databases.
    pub databases: Vec<String>,
    /// Tables, as (database, table).
    pub tables: Vec<(String, String)>,
}

impl Missing {
    pub(super) fn check(declaration: &Declaration, observed: &Observed) -> Result<(), Self> {
        let databases = declaration.databases().into_iter();
        let databases: Vec<_> =
            databases.filter(|name| !observed.databases.contains(*name)).map(str::to_owned).collect();
        let made = |database: &str, table: &str| {
            database == declaration.database()
                && declaration.tables().iter().any(|made| made.table() == table)
        };
        let tables: BTreeSet<_> = declaration
            .users()
            .iter()
            .flat_map(|user| &user.grants)
            .filter_map(|grant| Some((grant.database.clone(), grant.table.clone()?)))
            .filter(|(database, table)| !databases.contains(database) && !made(database, table))
            .filter(|table| !observed.tables.contains(table))
            .collect();
        let tables: Vec<_> = tables.into_iter().collect();
        if databases.is_empty() && tables.is_empty() { Ok(()) } else { Err(Self { databases, tables }) }
    }

    fn list(&self) -> String {
        let databases =
            self.databases.iter().map(|name| format!("database {} does not exist", visible(name)));
        let tables = self.tables.iter().map(|(database, table)| {
            format!("table {}.{} does not exist", visible(database), visible(table))
        });
        databases.chain(tables).collect::<Vec<_>>().join("; ")
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        let mut hints = Vec::new();
        if !self.databases.is_empty() {
            let sql: Vec<_> =
                self.databases.iter().map(|name| format!("CREATE DATABASE {};", identifier(name))).collect();
            hints.push(format!(
                "RDS creates a database along with the instance only where it is told its name (Terraform: db_name). Check DB_NAME and the users file, or create it as the master user: {}",
                sql.join(" ")
            ));
        }
        if !self.tables.is_empty() {
            hints.push(
                "Privileges on a table need the table: declare it under [schema], or create it first."
                    .to_owned(),
            );
        }
        hints.join("\n")
    }
}
