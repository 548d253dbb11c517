//! What should exist: read from a users file.
//!
//! The format is described in the crate's README. Everything is checked here, once, and all that is wrong
//! is reported together; nothing was contacted by then.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rds_iam_infra::RdsConf;
use rds_iam_infra::rds_conf::DatabaseName;
use serde::Deserialize;

use crate::mysql::{
    Account, AccountError, CreateTable, Grant, Privilege, PrivilegeError, SYSTEM_DATABASES, SchemaError,
};

/// The longest users or schema file, in bytes: far more than anybody writes, and read in an instant.
const FILE_LIMIT: u64 = 1024 * 1024;
/// How many problems are shown at once: about a screenful.
const PROBLEMS_SHOWN: usize = 20;

/// The users, their privileges and the tables that should exist, checked.
///
/// ```
/// # let conf = rds_iam_infra::RdsConf::parse(r#"
/// # RDS_ENDPOINT="orders.c0ffee.eu-west-1.rds.amazonaws.com"
/// # REGION="eu-west-1"
/// # MASTER_SECRET_NAME="orders/master"
/// # DB_NAME="orders"
/// # IAM_ADMIN_USER="iam_admin"
/// # "#)?;
/// use rds_iam_bootstrap::Declaration;
///
/// let users = r#"
/// [[user]]
/// name = "reporting"
/// grant = [{ privileges = ["SELECT"] }]
/// "#;
/// let declaration = Declaration::parse(users, &conf)?;
/// assert_eq!(declaration.users()[0].account.to_string(), "reporting@%");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    path: Option<PathBuf>,
    database: String,
    admin: Account,
    users: Vec<User>,
    tables: Vec<CreateTable>,
}

/// A user that should exist.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// Its account.
    pub account: Account,
    /// All that it may do.
    pub grants: Vec<Grant>,
}

impl Declaration {
    /// Reads the text of a users file. Schema files are looked for in the working directory.
    ///
    /// # Errors
    /// [`DeclarationError`], with every problem found.
    pub fn parse(text: &str, conf: &RdsConf) -> Result<Self, DeclarationError> {
        Self::from_text(text, conf, None)
    }

    /// Reads a users file. Schema files are looked for in its folder.
    ///
    /// # Errors
    /// [`DeclarationError`], with every problem found.
    pub fn read(path: &Path, conf: &RdsConf) -> Result<Self, DeclarationError> {
        let text =
            read_text(path).map_err(|source| DeclarationError::Read { path: path.to_owned(), source })?;
        Self::from_text(&text, conf, Some(path))
    }

    /// The database of `rds.conf`, where the tables are made.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The IAM admin of `rds.conf`, from any host.
    #[must_use]
    pub fn admin(&self) -> &Account {
        &self.admin
    }

    /// The users, in the order of the file.
    #[must_use]
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// The tables, in the order of the files.
    #[must_use]
    pub fn tables(&self) -> &[CreateTable] {
        &self.tables
    }

    /// The admin's account, then the users'.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &Account> {
        [&self.admin].into_iter().chain(self.users.iter().map(|user| &user.account))
    }

    /// Every database that is spoken about.
    pub(crate) fn databases(&self) -> BTreeSet<&str> {
        let granted = self.users.iter().flat_map(|user| &user.grants).map(|grant| grant.database.as_str());
        [self.database()].into_iter().chain(granted).collect()
    }

    /// The master user is never touched, at whatever host.
    ///
    /// # Errors
    /// Where a declared user, or the admin, has its name.
    pub(crate) fn refuse_master(&self, master: &str) -> Result<(), DeclarationError> {
        match self.accounts().find(|account| account.user() == master) {
            None => Ok(()),
            Some(account) => {
                let problem = Problem { subject: account.to_string(), cause: Cause::Master };
                Err(DeclarationError::Invalid { path: self.path.clone(), problems: vec![problem] })
            }
        }
    }

    fn from_text(text: &str, conf: &RdsConf, path: Option<&Path>) -> Result<Self, DeclarationError> {
        let own = || path.map(Path::to_owned);
        let file = toml::from_str(text)
            .map_err(|source| DeclarationError::Syntax { path: own(), source: Box::new(source) })?;
        let folder = path.and_then(Path::parent).unwrap_or(Path::new(""));
        let declaration = Self::check(&file, conf, folder)
            .map_err(|problems| DeclarationError::Invalid { path: own(), problems })?;
        Ok(Self { path: own(), ..declaration })
    }

    fn check(file: &UsersFile, conf: &RdsConf, folder: &Path) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let database = conf.database.as_str();
        problems.refuse_system_database("DB_NAME", database);
        let admin = problems.keep("IAM_ADMIN_USER", Account::new(conf.iam_admin.as_str(), "%"));

        let mut users: Vec<User> = Vec::new();
        for user in &file.user {
            let subject = format!("user {:?}", user.name);
            let host = user.host.as_deref().unwrap_or("%");
            let grants = user.grant.iter().filter_map(|grant| grant.check(&subject, database, &mut problems));
            let grants: Vec<Grant> = grants.collect();
            let Some(account) = problems.keep(&subject, Account::new(&user.name, host)) else { continue };
            if admin.as_ref().is_some_and(|admin| admin.user() == account.user()) {
                problems.add(&subject, Cause::Admin);
            }
            if users.iter().any(|other| other.account == account) {
                problems.add(&subject, Cause::Repeated);
            }
            users.push(User { account, grants });
        }
        if users.is_empty() && file.user.is_empty() {
            problems.add("the users file", Cause::NoUser);
        }

        let tables = file.schema.check(folder, &mut problems);
        match (admin, problems.0) {
            (Some(admin), problems) if problems.is_empty() => {
                Ok(Self { path: None, database: database.to_owned(), admin, users, tables })
            }
            (_, problems) => Err(problems),
        }
    }
}

/// Reads a users or schema file, unless it is too long to be one.
fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_LIMIT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_LIMIT {
        let told = format!("it is longer than {} KiB", FILE_LIMIT / 1024);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, told));
    }
    Ok(text)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsersFile {
    #[serde(default)]
    user: Vec<UserFile>,
    #[serde(default)]
    schema: SchemaFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserFile {
    name: String,
    host: Option<String>,
    #[serde(default)]
    grant: Vec<GrantFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantFile {
    database: Option<String>,
    table: Option<String>,
    privileges: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaFile {
    #[serde(default)]
    files: Vec<PathBuf>,
    #[serde(default)]
    statements: Vec<String>,
}

impl GrantFile {
    fn check(&self, user: &str, default_database: &str, problems: &mut Problems) -> Option<Grant> {
        let database = self.database.as_deref().unwrap_or(default_database);
        let before = problems.0.len();
        if database == "*" {
            problems.add(user, Cause::EveryDatabase);
        } else if let Err(error) = database.parse::<DatabaseName>() {
            problems.add(user, Cause::Database { given: database.to_owned(), reason: error.reason });
        } else {
            problems.refuse_system_database(user, database);
        }
        if let Some(table) = &self.table {
            // A table's name follows the rules of a database's.
            if table == "*" {
                problems.add(user, Cause::EveryTable);
            } else if let Err(error) = table.parse::<DatabaseName>() {
                problems.add(user, Cause::Table { given: table.clone(), reason: error.reason });
            }
        }
        if self.privileges.is_empty() {
            problems.add(user, Cause::NoPrivilege { database: database.to_owned() });
        }
        let privileges = self.privileges.iter();
        let privileges =
            privileges.filter_map(|p| problems.keep(user, Privilege::declared(p, self.table.is_some())));
        let privileges = privileges.collect();
        let grant = Grant { database: database.to_owned(), table: self.table.clone(), privileges };
        (problems.0.len() == before).then_some(grant)
    }
}

impl SchemaFile {
    fn check(&self, folder: &Path, problems: &mut Problems) -> Vec<CreateTable> {
        let mut tables: Vec<CreateTable> = Vec::new();
        let mut add = |subject: &str, sql: &str, problems: &mut Problems| {
            for table in problems.keep(subject, CreateTable::parse(sql)).unwrap_or_default() {
                if tables.iter().any(|other| other.table() == table.table()) {
                    problems.add(subject, Cause::TableTwice { table: table.table().to_owned() });
                }
                tables.push(table);
            }
        };
        for file in &self.files {
            let path = folder.join(file);
            let subject = path.display().to_string();
            match read_text(&path) {
                Ok(sql) => add(&subject, &sql, problems),
                Err(error) => problems.add(&subject, Cause::SchemaFile { error: error.to_string() }),
            }
        }
        for sql in &self.statements {
            add("schema.statements", sql, problems);
        }
        tables
    }
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, subject: &str, cause: Cause) {
        self.0.push(Problem { subject: subject.to_owned(), cause });
    }

    fn keep<T, E: Into<Cause>>(&mut self, subject: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(subject, error.into())).ok()
    }

    fn refuse_system_database(&mut self, subject: &str, database: &str) {
        if SYSTEM_DATABASES.iter().any(|system| system.eq_ignore_ascii_case(database)) {
            self.add(subject, Cause::SystemDatabase { given: database.to_owned() });
        }
    }
}

/// Why there is no declaration. Each is for a person to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeclarationError {
    /// The users file could not be read.
    #[error("cannot read the users file {}; it must be a UTF-8 text file that this program may read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It isn't TOML, or has a key that isn't one.
    #[error("{} is not a users file; the README of rds-iam-bootstrap has the format", name(path.as_deref()))]
    Syntax {
        /// The file.
        path: Option<PathBuf>,
        /// What and where.
        source: Box<toml::de::Error>,
    },
    /// What it declares is refused.
    #[error("{}", list(path.as_deref(), problems))]
    Invalid {
        /// The file.
        path: Option<PathBuf>,
        /// Everything that is wrong.
        problems: Vec<Problem>,
    },
}

fn name(path: Option<&Path>) -> String {
    path.map_or_else(|| "the declaration".into(), |path| path.display().to_string())
}

fn list(path: Option<&Path>, problems: &[Problem]) -> String {
    let shown = problems.iter().take(PROBLEMS_SHOWN).map(|problem| format!("\n  {problem}"));
    let more = problems.len().saturating_sub(PROBLEMS_SHOWN);
    let lines: Vec<_> = shown.chain((more > 0).then(|| format!("\n  and {more} more"))).collect();
    let count = if problems.len() == 1 { "1 problem".into() } else { format!("{} problems", problems.len()) };
    format!("{} has {count}:{}", name(path), lines.concat())
}

/// One thing that is wrong with a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The user, key or file.
    pub subject: String,
    /// What is wrong with it.
    pub cause: Cause,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.cause)
    }
}

/// What is wrong, and what to declare instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The name or host.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A privilege.
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
    /// A statement of the schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A schema file can't be read.
    #[error("cannot be read ({error}); schema files are looked for beside the users file")]
    SchemaFile {
        /// What the system said.
        error: String,
    },
    /// `*.*`.
    #[error(
        "privileges on every database (*.*) are global, and would reach databases that nobody thought of: name the database"
    )]
    EveryDatabase,
    /// `table = "*"`.
    #[error("leave `table` out to grant on every table of the database")]
    EveryTable,
    /// A database's name.
    #[error("database {given:?}: {reason}")]
    Database {
        /// The name.
        given: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A table's name.
    #[error("table {given:?}: {reason}")]
    Table {
        /// The name.
        given: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A database of the server's own.
    #[error("database {given:?} belongs to the server itself: name one of your own")]
    SystemDatabase {
        /// The name.
        given: String,
    },
    /// An empty list.
    #[error("the grant on database {database:?} lists no privileges: list some, or leave the grant out")]
    NoPrivilege {
        /// The database.
        database: String,
    },
    /// The account stands there twice.
    #[error("is declared twice: put all its grants under one [[user]]")]
    Repeated,
    /// It is the admin.
    #[error("is the IAM_ADMIN_USER of rds.conf, whose privileges follow from everybody else's: leave it out")]
    Admin,
    /// It is the master user.
    #[error("is the master user, which is never touched: declare a user of your own")]
    Master,
    /// No user at all.
    #[error("declares no [[user]]")]
    NoUser,
    /// The same table twice.
    #[error("table {table} is created twice: keep one statement")]
    TableTwice {
        /// The table.
        table: String,
    },
}

#[cfg(test)]
#[path = "declaration_tests.rs"]
mod tests;
