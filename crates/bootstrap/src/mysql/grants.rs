//! Who may do what on which object: as declared, and as the catalog has it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Privilege;
use super::names::{database_pattern, identifier, visible};

/// The privileges that an account has on each object.
pub type Grants = BTreeMap<Object, BTreeSet<Privilege>>;

/// Privileges on a database, or on one of its tables, as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grant {
    /// The database.
    pub database: String,
    /// The table; `None` stands for all of the database.
    pub table: Option<String>,
    /// The privileges.
    pub privileges: BTreeSet<Privilege>,
}

impl Grant {
    /// The object as this server's grants name it.
    pub(crate) fn object(&self, partial_revokes: bool) -> Object {
        match &self.table {
            Some(table) => Object::Table { database: self.database.clone(), table: table.clone() },
            None => Object::Database { pattern: database_pattern(&self.database, partial_revokes) },
        }
    }
}

/// Declared grants by object.
pub(crate) fn by_object<'a>(grants: impl IntoIterator<Item = &'a Grant>, partial_revokes: bool) -> Grants {
    let mut all = Grants::new();
    for grant in grants {
        all.entry(grant.object(partial_revokes)).or_default().extend(grant.privileges.iter().cloned());
    }
    all
}

/// What a privilege is on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Object {
    /// The whole server.
    Global,
    /// A database, or all that match.
    Database {
        /// The name as the catalog has it. Unless `partial_revokes` is on, `_` and `%` in it are
        /// wildcards, and `\` takes their meaning away.
        pattern: String,
    },
    /// A column. Ordered before the table: revoking a privilege on that takes it from the columns too, and
    /// then there would be nothing left to revoke here.
    Column {
        /// Its database.
        database: String,
        /// Its table.
        table: String,
        /// Its name.
        column: String,
    },
    /// A table or view.
    Table {
        /// Its database.
        database: String,
        /// Its name.
        table: String,
    },
    /// A stored routine.
    Routine {
        /// Its database.
        database: String,
        /// `PROCEDURE`, `FUNCTION` or `LIBRARY`.
        kind: RoutineKind,
        /// Its name.
        routine: String,
    },
}

/// The kinds of stored routine that privileges are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RoutineKind {
    /// `PROCEDURE`
    Procedure,
    /// `FUNCTION`
    Function,
    /// `LIBRARY`, since MySQL 9.2
    Library,
}

impl RoutineKind {
    fn sql(self) -> &'static str {
        match self {
            Self::Procedure => "PROCEDURE",
            Self::Function => "FUNCTION",
            Self::Library => "LIBRARY",
        }
    }
}

impl Object {
    /// The privileges as a statement has them, and what they are on:
    /// `SELECT, INSERT ON …`, for a column ``SELECT (`c`) ON …``.
    pub(crate) fn sql(&self, privileges: &BTreeSet<Privilege>) -> String {
        let list = |of: &str| {
            let each: Vec<_> =
                privileges.iter().map(|privilege| format!("{}{of}", privilege.sql())).collect();
            each.join(", ")
        };
        match self {
            Self::Column { database, table, column } => {
                let columns = format!(" ({})", identifier(column));
                format!("{} ON {}.{}", list(&columns), identifier(database), identifier(table))
            }
            Self::Routine { database, kind, routine } => {
                format!("{} ON {} {}.{}", list(""), kind.sql(), identifier(database), identifier(routine))
            }
            Self::Global => format!("{} ON *.*", list("")),
            Self::Database { pattern } => format!("{} ON {}.*", list(""), identifier(pattern)),
            Self::Table { database, table } => {
                format!("{} ON {}.{}", list(""), identifier(database), identifier(table))
            }
        }
    }

    /// The database that it lies in; a pattern stays one.
    pub(crate) fn database(&self) -> Option<&str> {
        match self {
            Self::Global => None,
            Self::Database { pattern } => Some(pattern),
            Self::Table { database, .. } | Self::Column { database, .. } | Self::Routine { database, .. } => {
                Some(database)
            }
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("the whole server (*.*)"),
            Self::Database { pattern } => write!(f, "{}.*", visible(pattern)),
            Self::Table { database, table } => write!(f, "{}.{}", visible(database), visible(table)),
            Self::Column { database, table, column } => {
                write!(f, "{}.{}.{}", visible(database), visible(table), visible(column))
            }
            Self::Routine { database, kind, routine } => {
                let kind = kind.sql().to_ascii_lowercase();
                write!(f, "{kind} {}.{}", visible(database), visible(routine))
            }
        }
    }
}
