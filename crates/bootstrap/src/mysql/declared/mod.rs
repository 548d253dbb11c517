//! Validates a declaration for MySQL: the accounts, grants and tables that may be declared. Reports all
//! problems together.

use std::collections::BTreeSet;

use rds_iam_infra::RdsConf;
use rds_iam_infra::rds_conf::DatabaseName;

use super::{Account, CreateTable, Grant, Privilege, SYSTEM_DATABASES};
use crate::declaration::{self, Problems};
use crate::{Declaration, DeclarationError};

/// The accounts, grants and tables that should exist, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    origin: String,
    database: String,
    admin: Account,
    users: Vec<User>,
    tables: Vec<CreateTable>,
}

/// A user that should exist.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The account.
    pub account: Account,
    /// The privileges, all of them.
    pub grants: Vec<Grant>,
}

impl Declared {
    /// Validates a declaration for the deployment of `conf`.
    ///
    /// # Errors
    /// [`DeclarationError::Invalid`], with every problem found.
    pub fn new(declaration: &Declaration, conf: &RdsConf) -> Result<Self, DeclarationError> {
        let mut problems = declaration.problems();
        let database = conf.database.as_str();
        refuse_system_database("DB_NAME", database, &mut problems);
        let admin = problems.keep("IAM_ADMIN_USER", Account::new(conf.iam_admin.as_str(), "%"));
        let users = check_users(declaration.users(), database, admin.as_ref(), &mut problems);
        let tables = check_tables(declaration.schema(), &mut problems);
        let origin = declaration.origin().to_owned();
        problems.into_result(&origin)?;
        let admin = admin.expect("an invalid name is a problem");
        Ok(Self { origin, database: database.to_owned(), admin, users, tables })
    }

    /// Returns the database of `rds.conf`, in which the tables are created.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Returns the IAM admin of `rds.conf`, at any host.
    #[must_use]
    pub fn admin(&self) -> &Account {
        &self.admin
    }

    /// Returns the users, in the order of the file.
    #[must_use]
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// Returns the tables, in the order of the files.
    #[must_use]
    pub fn tables(&self) -> &[CreateTable] {
        &self.tables
    }

    /// Returns the admin's account, then the users'.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &Account> {
        [&self.admin].into_iter().chain(self.users.iter().map(|user| &user.account))
    }

    /// Returns the names of the database of `rds.conf` and of every database with a declared grant.
    pub(crate) fn databases(&self) -> BTreeSet<&str> {
        let granted = self.users.iter().flat_map(|user| &user.grants).map(|grant| grant.database.as_str());
        [self.database()].into_iter().chain(granted).collect()
    }

    /// Refuses a declared user, or an admin, with the master user's name, at any host: the master user is never
    /// changed.
    ///
    /// # Errors
    /// [`DeclarationError::Invalid`], which names the account.
    pub(crate) fn refuse_master(&self, master: &str) -> Result<(), DeclarationError> {
        let mut problems = Problems::default();
        if let Some(account) = self.accounts().find(|account| account.user() == master) {
            problems.add(
                &account.to_string(),
                "is the master user, which is never changed: declare another user",
            );
        }
        problems.into_result(&self.origin)
    }
}

fn check_users(
    declared: &[declaration::User],
    database: &str,
    admin: Option<&Account>,
    problems: &mut Problems,
) -> Vec<User> {
    let mut users: Vec<User> = Vec::new();
    for user in declared {
        let subject = format!("user {:?}", user.name);
        let host = user.host.as_deref().unwrap_or("%");
        let grants = user.grants.iter().filter_map(|grant| check_grant(grant, &subject, database, problems));
        let grants: Vec<Grant> = grants.collect();
        let Some(account) = problems.keep(&subject, Account::new(&user.name, host)) else { continue };
        if admin.is_some_and(|admin| admin.user() == account.user()) {
            let message = "is the IAM_ADMIN_USER of rds.conf, whose privileges follow from those of all users: leave it out";
            problems.add(&subject, message);
        }
        if users.iter().any(|other| other.account == account) {
            problems.add(&subject, "is declared twice: put all its grants under one [[user]]");
        }
        users.push(User { account, grants });
    }
    users
}

fn check_grant(
    grant: &declaration::Grant,
    user: &str,
    default_database: &str,
    problems: &mut Problems,
) -> Option<Grant> {
    let database = grant.database.as_deref().unwrap_or(default_database);
    let before = problems.len();
    if database == "*" {
        problems.add(
            user,
            "privileges on every database (*.*) are global, and would reach databases that the author did not think of: name the database",
        );
    } else if let Err(error) = database.parse::<DatabaseName>() {
        problems.add(user, format_args!("database {database:?}: {}", error.reason));
    } else {
        refuse_system_database(user, database, problems);
    }
    if let Some(table) = &grant.table {
        // A table's name follows the rules of a database's.
        if table == "*" {
            problems.add(user, "leave `table` out to grant on every table of the database");
        } else if let Err(error) = table.parse::<DatabaseName>() {
            problems.add(user, format_args!("table {table:?}: {}", error.reason));
        }
    }
    if grant.privileges.is_empty() {
        problems.add(
            user,
            format_args!(
                "the grant on database {database:?} lists no privileges: list some, or leave the grant out"
            ),
        );
    }
    let on_table = grant.table.is_some();
    let privileges = grant.privileges.iter();
    let privileges = privileges.filter_map(|name| problems.keep(user, Privilege::declared(name, on_table)));
    let privileges = privileges.collect();
    let grant = Grant { database: database.to_owned(), table: grant.table.clone(), privileges };
    (problems.len() == before).then_some(grant)
}

fn check_tables(schema: &[declaration::SchemaText], problems: &mut Problems) -> Vec<CreateTable> {
    let mut tables: Vec<CreateTable> = Vec::new();
    for text in schema {
        for table in problems.keep(&text.origin, CreateTable::parse(&text.sql)).unwrap_or_default() {
            if tables.iter().any(|other| other.table() == table.table()) {
                let message = format_args!("table {} is created twice: keep one statement", table.table());
                problems.add(&text.origin, message);
            }
            tables.push(table);
        }
    }
    tables
}

fn refuse_system_database(subject: &str, database: &str, problems: &mut Problems) {
    if SYSTEM_DATABASES.iter().any(|system| system.eq_ignore_ascii_case(database)) {
        let message = format_args!("database {database:?} belongs to the server itself: name another");
        problems.add(subject, message);
    }
}

#[cfg(test)]
mod tests;
