//! Grants: privileges on objects, as declared and as observed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Privilege;
use super::names::{database_pattern, identifier, visible};

/// The privileges that an account has on each object.
pub(crate) type Grants = BTreeMap<Object, BTreeSet<Privilege>>;

/// Privileges on a database, or on one of its tables, as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The database.
    pub(crate) database: String,
    /// The table; `None` is every table of the database.
    pub(crate) table: Option<String>,
    /// The privileges.
    pub(crate) privileges: BTreeSet<Privilege>,
}

impl Grant {
    /// Returns the object in the form that this server's grants name it.
    pub(crate) fn object(&self, partial_revokes: bool) -> Object {
        match &self.table {
            Some(table) => Object::Table { database: self.database.clone(), table: table.clone() },
            None => Object::Database { pattern: database_pattern(&self.database, partial_revokes) },
        }
    }
}

/// Returns declared grants by object.
pub(crate) fn by_object<'a>(grants: impl IntoIterator<Item = &'a Grant>, partial_revokes: bool) -> Grants {
    let mut all = Grants::new();
    for grant in grants {
        all.entry(grant.object(partial_revokes)).or_default().extend(grant.privileges.iter().cloned());
    }
    all
}

/// Lists privileges for display.
pub(super) fn list(privileges: &BTreeSet<Privilege>) -> String {
    privileges.iter().map(|privilege| visible(&privilege.to_string())).collect::<Vec<_>>().join(", ")
}

/// The object of a privilege.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Object {
    /// The whole server.
    Global,
    /// A database, or all that match.
    Database {
        /// The name in the catalog's form. Unless `partial_revokes` is on, `_` and `%` in it are wildcards, and `\`
        /// escapes them.
        pattern: String,
    },
    /// A column. Ordered before the table: revoking a privilege on the table revokes it on the columns too, and then
    /// there would be nothing left to revoke here.
    Column {
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// The name.
        column: String,
    },
    /// A table or view.
    Table {
        /// The database.
        database: String,
        /// The name.
        table: String,
    },
    /// A stored routine.
    Routine {
        /// The database.
        database: String,
        /// The kind.
        kind: RoutineKind,
        /// The name.
        routine: String,
    },
}

/// The kinds of stored routine that privileges are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum RoutineKind {
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
    /// Returns the privileges and the object in SQL: `SELECT, INSERT ON …`, for a column ``SELECT (`c`) ON …``.
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

    /// Returns the object's database; a pattern stays one.
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
