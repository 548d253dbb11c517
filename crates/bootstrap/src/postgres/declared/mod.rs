//! Validates a declaration for PostgreSQL: the roles, grants, settings and tables that may be declared. Reports all
//! problems together.

mod grant;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use rds_iam_infra::RdsConf;

use super::names::{check_name, is_system_schema};
use super::{CreateTable, DEFAULT_SCHEMA, Grant, Role};
use crate::declaration::rules::{CONFIGURATION, IAM_ADMIN, IS_MASTER};
use crate::declaration::{self, Violations, rules};
use crate::{Declaration, DeclarationError};

pub(super) use settings::{SETTINGS as SETTING_NAMES, normal as normal_setting, sql as setting_sql};

/// Databases that belong to the server.
const SYSTEM_DATABASES: [&str; 3] = ["rdsadmin", "template0", "template1"];

/// The roles, grants and tables that should exist, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    origin: String,
    database: String,
    admin: Role,
    users: Vec<User>,
    schema: String,
    owner: Option<Role>,
    extensions: Vec<String>,
    tables: Vec<CreateTable>,
}

/// A user that should exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// The role.
    pub(crate) role: Role,
    /// The settings of its sessions.
    pub(crate) settings: BTreeMap<String, String>,
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
        if let Err(reason) = check_name(database) {
            violations.add("DB_NAME", format_args!("database {database:?}: {reason}"));
        }
        refuse_system_database("DB_NAME", database, &mut violations);
        let admin = violations.keep(IAM_ADMIN, Role::new(conf.iam_admin.as_str()));
        violations.into_result(CONFIGURATION)?;
        let admin = admin.expect("an invalid name is a violation");

        let mut violations = declaration.violations();
        let options = declaration.schema_options();
        let schema = options.name.as_deref().unwrap_or(DEFAULT_SCHEMA);
        check_schema("schema.name", schema, &mut violations);
        let users = check_users(declaration.users(), database, schema, &admin, &mut violations);
        let owner = options.owner.as_ref().and_then(|owner| {
            let owner = violations.keep("schema.owner", Role::new(owner))?;
            if owner == admin || users.iter().any(|user| user.role == owner) {
                let message = "is the IAM_ADMIN_USER or a declared user, who could then change the tables: name a role of its own";
                violations.add("schema.owner", message);
            }
            Some(owner)
        });
        for extension in &options.extensions {
            if let Err(reason) = check_name(extension) {
                violations.add("schema.extensions", format_args!("{extension:?}: {reason}"));
            }
        }
        let tables = rules::check_tables(
            declaration.schema(),
            &mut violations,
            CreateTable::parse,
            CreateTable::table,
        );
        let origin = declaration.origin().to_owned();
        violations.into_result(&origin)?;
        let (database, schema) = (database.to_owned(), schema.to_owned());
        let extensions = options.extensions.clone();
        Ok(Self { origin, database, admin, users, schema, owner, extensions, tables })
    }

    /// Returns the database of `rds.conf`.
    #[must_use]
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// Returns the IAM admin of `rds.conf`.
    #[must_use]
    pub(crate) fn admin(&self) -> &Role {
        &self.admin
    }

    /// Returns the users, in the order of the file.
    #[must_use]
    pub(crate) fn users(&self) -> &[User] {
        &self.users
    }

    /// Returns the schema that the tables are created in.
    #[must_use]
    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    /// Returns the role that owns the tables, if it is not the IAM admin.
    #[must_use]
    pub(crate) fn owner(&self) -> Option<&Role> {
        self.owner.as_ref()
    }

    /// Returns the extensions, in the order of the file.
    #[must_use]
    pub(crate) fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// Returns the tables, in the order of the files.
    #[must_use]
    pub(crate) fn tables(&self) -> &[CreateTable] {
        &self.tables
    }

    /// Returns the role that owns the tables.
    pub(crate) fn table_owner(&self) -> &Role {
        self.owner.as_ref().unwrap_or(&self.admin)
    }

    /// Returns the names of the admin, the owner and the users.
    pub(crate) fn role_names(&self) -> Vec<String> {
        let users = self.users.iter().map(|user| &user.role);
        [&self.admin].into_iter().chain(&self.owner).chain(users).map(|role| role.name().to_owned()).collect()
    }

    /// Returns the schema of the tables, and those of declared grants.
    pub(crate) fn schemas(&self) -> BTreeSet<&str> {
        let granted =
            self.users.iter().flat_map(|user| &user.grants).filter_map(|grant| grant.scope.schema());
        [self.schema()].into_iter().chain(granted).collect()
    }

    /// Refuses an admin, an owner or a declared user with the master user's name, which is never changed.
    ///
    /// # Errors
    /// [`DeclarationError::Invalid`], which names the setting or the user.
    pub(crate) fn refuse_master(&self, master: &str) -> Result<(), DeclarationError> {
        let mut violations = Violations::default();
        if self.admin.name() == master {
            violations.add(IAM_ADMIN, format_args!("{master} {IS_MASTER}: name another user"));
            return violations.into_result(CONFIGURATION);
        }
        if self.owner.as_ref().is_some_and(|owner| owner.name() == master) {
            violations.add("schema.owner", format_args!("{master} {IS_MASTER}: name another role"));
        }
        if let Some(user) = self.users.iter().find(|user| user.role.name() == master) {
            violations.add(&user.role.to_string(), format_args!("{IS_MASTER}: declare another user"));
        }
        violations.into_result(&self.origin)
    }
}

fn check_users(
    declared: &[declaration::User],
    database: &str,
    schema: &str,
    admin: &Role,
    violations: &mut Violations,
) -> Vec<User> {
    let mut users: Vec<User> = Vec::new();
    let mut names = BTreeSet::new();
    for user in declared {
        let subject = format!("user {:?}", user.name);
        if user.host.is_some() {
            violations.add(
                &subject,
                "has a host, but PostgreSQL's users have none: leave `host` out, and limit addresses by security groups",
            );
        }
        let grants = user.grants.iter().flat_map(|grant| {
            let place = grant::Place { user: &subject, database, schema };
            grant::check(grant, &place, violations)
        });
        let grants = grants.collect();
        let settings = settings::check(&user.settings, &subject, violations);
        let Some(role) = violations.keep(&subject, Role::new(&user.name)) else { continue };
        if *admin == role {
            let message =
                "is the IAM_ADMIN_USER, whose privileges follow from those of all users: leave it out";
            violations.add(&subject, message);
        }
        if !names.insert(role.clone()) {
            violations.add(&subject, "is declared twice: put all its grants under one [[user]]");
        }
        users.push(User { role, settings, grants });
    }
    users
}

fn check_schema(subject: &str, schema: &str, violations: &mut Violations) {
    if let Err(reason) = check_name(schema) {
        violations.add(subject, format_args!("schema {schema:?}: {reason}"));
    } else if is_system_schema(schema) {
        violations.add(subject, format_args!("schema {schema:?} belongs to the server itself: name another"));
    }
}

fn refuse_system_database(subject: &str, database: &str, violations: &mut Violations) {
    if SYSTEM_DATABASES.contains(&database) {
        let message = format_args!("database {database:?} belongs to the server itself: name another");
        violations.add(subject, message);
    }
}

#[cfg(test)]
mod tests;
