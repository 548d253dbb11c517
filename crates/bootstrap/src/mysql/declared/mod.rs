//! Validates a declaration for MySQL: the accounts, grants and tables that may be declared. Reports all
//! problems together.

use std::collections::BTreeSet;

use rds_iam_infra::RdsConf;
use rds_iam_infra::rds_conf::DatabaseName;

use super::{Account, CreateTable, Grant, Privilege, SYSTEM_DATABASES};
use crate::declaration::rules::{CONFIGURATION, IAM_ADMIN, IS_MASTER};
use crate::declaration::{self, Violations, rules};
use crate::{Declaration, DeclarationError};

/// The accounts, grants and tables that should exist, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    origin: String,
    database: String,
    admin: Account,
    users: Vec<User>,
    tables: Vec<CreateTable>,
}

/// A user that should exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// The account.
    pub(crate) account: Account,
    /// The privileges, all of them.
    pub(crate) grants: Vec<Grant>,
}

impl Declared {
    /// Validates a declaration for the deployment of `conf`, whose own names are checked first.
    ///
    /// # Errors
    /// [`DeclarationError::Invalid`], with every violation found in the one or the other.
    pub(crate) fn new(declaration: &Declaration, conf: &RdsConf) -> Result<Self, DeclarationError> {
        let database = conf.database.as_str();
        let mut violations = Violations::default();
        refuse_system_database("DB_NAME", database, &mut violations);
        let admin = violations.keep(IAM_ADMIN, Account::new(conf.iam_admin.as_str(), "%"));
        violations.into_result(CONFIGURATION)?;
        let admin = admin.expect("an invalid name is a violation");

        let mut violations = declaration.violations();
        refuse_schema_options(declaration.schema_options(), &mut violations);
        let users = check_users(declaration.users(), database, &admin, &mut violations);
        let tables = rules::check_tables(
            declaration.schema(),
            &mut violations,
            CreateTable::parse,
            CreateTable::table,
        );
        let origin = declaration.origin().to_owned();
        violations.into_result(&origin)?;
        Ok(Self { origin, database: database.to_owned(), admin, users, tables })
    }

    /// Returns the database of `rds.conf`, in which the tables are created.
    #[must_use]
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// Returns the IAM admin of `rds.conf`, at any host.
    #[must_use]
    pub(crate) fn admin(&self) -> &Account {
        &self.admin
    }

    /// Returns the users, in the order of the file.
    #[must_use]
    pub(crate) fn users(&self) -> &[User] {
        &self.users
    }

    /// Returns the tables, in the order of the files.
    #[must_use]
    pub(crate) fn tables(&self) -> &[CreateTable] {
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

    /// Refuses an admin, or a declared user, with the master user's name, at any host: the master user is never
    /// changed.
    ///
    /// # Errors
    /// [`DeclarationError::Invalid`], which names the setting or the account.
    pub(crate) fn refuse_master(&self, master: &str) -> Result<(), DeclarationError> {
        let mut violations = Violations::default();
        if self.admin.user() == master {
            violations.add(IAM_ADMIN, format_args!("{master} {IS_MASTER}: name another user"));
            return violations.into_result(CONFIGURATION);
        }
        if let Some(user) = self.users.iter().find(|user| user.account.user() == master) {
            violations.add(&user.account.to_string(), format_args!("{IS_MASTER}: declare another user"));
        }
        violations.into_result(&self.origin)
    }
}

fn check_users(
    declared: &[declaration::User],
    database: &str,
    admin: &Account,
    violations: &mut Violations,
) -> Vec<User> {
    let mut users: Vec<User> = Vec::new();
    for user in declared {
        let subject = format!("user {:?}", user.name);
        let host = user.host.as_deref().unwrap_or("%");
        if !user.settings.is_empty() {
            violations.add(
                &subject,
                "has settings, which are for PostgreSQL: set ENGINE=\"postgresql\" in rds.conf, or leave `settings` out and set limits in the parameter group or by the service",
            );
        }
        let grants =
            user.grants.iter().filter_map(|grant| check_grant(grant, &subject, database, violations));
        let grants: Vec<Grant> = grants.collect();
        let Some(account) = violations.keep(&subject, Account::new(&user.name, host)) else { continue };
        if admin.user() == account.user() {
            let message =
                "is the IAM_ADMIN_USER, whose privileges follow from those of all users: leave it out";
            violations.add(&subject, message);
        }
        if users.iter().any(|other| other.account == account) {
            violations.add(&subject, "is declared twice: put all its grants under one [[user]]");
        }
        users.push(User { account, grants });
    }
    users
}

fn check_grant(
    grant: &declaration::Grant,
    user: &str,
    default_database: &str,
    violations: &mut Violations,
) -> Option<Grant> {
    let database = grant.database.as_deref().unwrap_or(default_database);
    let before = violations.len();
    for (key, value) in
        [("schema", &grant.schema), ("sequence", &grant.sequence), ("function", &grant.function)]
    {
        if value.is_some() {
            violations.add(
                user,
                format_args!("a grant has the key `{key}`, which is for PostgreSQL: set ENGINE=\"postgresql\" in rds.conf, or leave it out and name a database or a table"),
            );
        }
    }
    if database == "*" {
        violations.add(
            user,
            "privileges on every database (*.*) are global, and would reach databases that the author did not think of: name the database",
        );
    } else if let Err(error) = database.parse::<DatabaseName>() {
        violations.add(user, format_args!("database {database:?}: {}", error.reason));
    } else {
        refuse_system_database(user, database, violations);
    }
    if let Some(table) = &grant.table {
        // A table's name follows the rules of a database's.
        if table == "*" {
            violations.add(user, "leave `table` out to grant on every table of the database");
        } else if let Err(error) = table.parse::<DatabaseName>() {
            violations.add(user, format_args!("table {table:?}: {}", error.reason));
        }
    }
    if grant.privileges.is_empty() {
        violations.add(
            user,
            format_args!(
                "the grant on database {database:?} lists no privileges: list some, or leave the grant out"
            ),
        );
    }
    let on_table = grant.table.is_some();
    let privileges = grant.privileges.iter();
    let privileges = privileges.filter_map(|name| violations.keep(user, Privilege::declared(name, on_table)));
    let privileges = privileges.collect();
    let grant = Grant { database: database.to_owned(), table: grant.table.clone(), privileges };
    (violations.len() == before).then_some(grant)
}

fn refuse_schema_options(options: &declaration::SchemaOptions, violations: &mut Violations) {
    let declaration::SchemaOptions { name, owner, extensions } = options;
    for (key, is_there) in
        [("name", name.is_some()), ("owner", owner.is_some()), ("extensions", !extensions.is_empty())]
    {
        if is_there {
            let message = "is for PostgreSQL: set ENGINE=\"postgresql\" in rds.conf, or leave it out; MySQL creates the tables in the database of rds.conf";
            violations.add(&format!("schema.{key}"), message);
        }
    }
}

fn refuse_system_database(subject: &str, database: &str, violations: &mut Violations) {
    if SYSTEM_DATABASES.iter().any(|system| system.eq_ignore_ascii_case(database)) {
        let message = format_args!("database {database:?} belongs to the server itself: name another");
        violations.add(subject, message);
    }
}

#[cfg(test)]
mod tests;
