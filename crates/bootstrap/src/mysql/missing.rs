//! Checks that the declared databases exist, and that the tables of declared grants exist or will be created.

use std::collections::BTreeSet;

use super::names::{identifier, visible};
use super::{Declared, Observed};
use crate::Missing;

/// Checks that every declared grant has its database and table.
pub(super) fn check(declared: &Declared, observed: &Observed) -> Result<(), Missing> {
    let databases = declared.databases().into_iter();
    let databases: Vec<_> = databases.filter(|name| !observed.databases.contains(*name)).collect();
    let is_created = |database: &str, table: &str| {
        database == declared.database() && declared.tables().iter().any(|created| created.table() == table)
    };
    let tables: BTreeSet<_> = declared
        .users()
        .iter()
        .flat_map(|user| &user.grants)
        .filter_map(|grant| Some((grant.database.clone(), grant.table.clone()?)))
        .filter(|(database, table)| !databases.contains(&database.as_str()) && !is_created(database, table))
        .filter(|table| !observed.tables.contains(table))
        .collect();
    if databases.is_empty() && tables.is_empty() {
        return Ok(());
    }
    let no_database = databases.iter().map(|name| format!("database {} does not exist", visible(name)));
    let no_table = tables
        .iter()
        .map(|(database, table)| format!("table {}.{} does not exist", visible(database), visible(table)));
    Err(Missing {
        objects: no_database.chain(no_table).collect(),
        help: help(&databases, !tables.is_empty()),
        // The server lists only databases that the user has a privilege on.
        may_be_hidden: !databases.is_empty(),
    })
}

fn help(databases: &[&str], has_tables: bool) -> String {
    let mut help = Vec::new();
    if !databases.is_empty() {
        let sql: Vec<_> =
            databases.iter().map(|name| format!("CREATE DATABASE {};", identifier(name))).collect();
        help.push(Missing::help_with_databases(&sql.join(" ")));
    }
    if has_tables {
        help.push(
            "Privileges on a table need the table: declare it under [schema], or create it first.".to_owned(),
        );
    }
    help.join("\n")
}
