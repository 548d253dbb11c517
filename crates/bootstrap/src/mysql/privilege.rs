//! Privileges: their names, their columns in the catalog, and which of them may be declared.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// A privilege, by its name in `GRANT`. `GRANT OPTION` counts as one. The order is that of MySQL's `SHOW GRANTS`:
/// `SELECT, INSERT, UPDATE, DELETE, …`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Privilege(Cow<'static, str>);

/// A static privilege.
struct Known {
    name: &'static str,
    /// Its column in `mysql.user`, without `_priv`, and in `mysql.db` if `database` is set.
    column: &'static str,
    /// Whether it may be granted on a database.
    database: bool,
    /// Whether it may be granted on a table.
    table: bool,
}

const fn known(name: &'static str, column: &'static str, database: bool, table: bool) -> Known {
    Known { name, column, database, table }
}

/// MySQL's static privileges, 8.0 to 9.x. Source: "Privileges Provided by MySQL", and `SHOW COLUMNS FROM
/// mysql.user`.
const KNOWN: [Known; 31] = [
    known("SELECT", "Select", true, true),
    known("INSERT", "Insert", true, true),
    known("UPDATE", "Update", true, true),
    known("DELETE", "Delete", true, true),
    known("CREATE", "Create", true, true),
    known("DROP", "Drop", true, true),
    known("REFERENCES", "References", true, true),
    known("INDEX", "Index", true, true),
    known("ALTER", "Alter", true, true),
    known("CREATE VIEW", "Create_view", true, true),
    known("SHOW VIEW", "Show_view", true, true),
    known("TRIGGER", "Trigger", true, true),
    known("GRANT OPTION", "Grant", true, true),
    known("CREATE TEMPORARY TABLES", "Create_tmp_table", true, false),
    known("LOCK TABLES", "Lock_tables", true, false),
    known("CREATE ROUTINE", "Create_routine", true, false),
    known("ALTER ROUTINE", "Alter_routine", true, false),
    known("EXECUTE", "Execute", true, false),
    known("EVENT", "Event", true, false),
    known("CREATE ROLE", "Create_role", false, false),
    known("CREATE TABLESPACE", "Create_tablespace", false, false),
    known("CREATE USER", "Create_user", false, false),
    known("DROP ROLE", "Drop_role", false, false),
    known("FILE", "File", false, false),
    known("PROCESS", "Process", false, false),
    known("RELOAD", "Reload", false, false),
    known("REPLICATION CLIENT", "Repl_client", false, false),
    known("REPLICATION SLAVE", "Repl_slave", false, false),
    known("SHOW DATABASES", "Show_db", false, false),
    known("SHUTDOWN", "Shutdown", false, false),
    known("SUPER", "Super", false, false),
];

impl Privilege {
    /// The right to grant one's own privileges.
    pub(crate) const GRANT_OPTION: Self = Self(Cow::Borrowed("GRANT OPTION"));

    /// Parses a privilege that an application user may have on a database, or on a table. Ignores case and the width of
    /// spaces.
    ///
    /// # Errors
    /// [`PrivilegeError`], with the reason.
    pub(crate) fn declared(text: &str, on_table: bool) -> Result<Self, PrivilegeError> {
        let name = text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase();
        let given = || text.to_owned();
        if ["ALL", "ALL PRIVILEGES"].contains(&name.as_str()) {
            return Err(PrivilegeError::All);
        }
        if name == "GRANT OPTION" {
            return Err(PrivilegeError::GrantOption);
        }
        match KNOWN.iter().find(|known| known.name == name) {
            None => Err(PrivilegeError::Unknown { given: given() }),
            Some(Known { database: false, .. }) => Err(PrivilegeError::Global { given: name }),
            Some(Known { table: false, .. }) if on_table => Err(PrivilegeError::NotOnTable { given: name }),
            Some(known) => Ok(Self(Cow::Borrowed(known.name))),
        }
    }

    /// Creates a privilege from a name in the list above.
    pub(crate) const fn from_name(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Creates a privilege from its name in the catalog: in any case (`Create View`), or dynamic (`ROLE_ADMIN`).
    /// `Grant` is `GRANT OPTION` there.
    pub(crate) fn observed(name: &str) -> Self {
        let name = name.to_ascii_uppercase();
        if name == "GRANT" { Self::GRANT_OPTION } else { Self(Cow::Owned(name)) }
    }

    /// Returns the privilege in SQL. A name that is not made of capitals, spaces and `_` can only be a dynamic one,
    /// whose grammar accepts an identifier.
    pub(crate) fn sql(&self) -> Cow<'_, str> {
        if self.0.bytes().all(|b| b.is_ascii_uppercase() || b == b' ' || b == b'_') {
            Cow::Borrowed(&*self.0)
        } else {
            Cow::Owned(super::names::identifier(&self.0))
        }
    }
}

impl Ord for Privilege {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |privilege: &Self| KNOWN.iter().position(|known| known.name == privilege.0);
        let unknown = KNOWN.len();
        (rank(self).unwrap_or(unknown), &self.0).cmp(&(rank(other).unwrap_or(unknown), &other.0))
    }
}

impl PartialOrd for Privilege {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns an SQL expression that lists a row's privileges, comma-separated: over `mysql.user`, or over `mysql.db`.
pub(crate) fn columns(of_database: bool) -> String {
    let set: Vec<_> = KNOWN
        .iter()
        .filter(|known| known.database || !of_database)
        .map(|known| format!("IF({}_priv = 'Y', '{}', NULL)", known.column, known.name))
        .collect();
    format!("CONCAT_WS(',', {})", set.join(", "))
}

/// The error of a declared privilege. The remedy is to declare another, or none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PrivilegeError {
    /// Not a privilege on databases and tables.
    #[error(
        "{given:?} is not a privilege on a database or table: use names such as SELECT, INSERT or CREATE VIEW"
    )]
    Unknown {
        /// The text as given.
        given: String,
    },
    /// `ALL`.
    #[error(
        "ALL is refused because it grows with the server's version: name the privileges that the user needs"
    )]
    All,
    /// `GRANT OPTION`.
    #[error("GRANT OPTION is refused: a user that grants its privileges to others makes undeclared grants")]
    GrantOption,
    /// A privilege on the whole server.
    #[error(
        "{given} is a global privilege (ON *.*), which would reach every database on the server: application users get privileges on databases and tables only"
    )]
    Global {
        /// The privilege.
        given: String,
    },
    /// A privilege that tables don't have.
    #[error("{given} can't be granted on a table: grant it on the database, or leave it out")]
    NotOnTable {
        /// The privilege.
        given: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_privileges() {
        let name = |text| Privilege::declared(text, false).unwrap().to_string();
        assert_eq!(name("select"), "SELECT");
        assert_eq!(name(" Create   View "), "CREATE VIEW");
        assert_eq!(name("LOCK TABLES"), "LOCK TABLES");
    }

    #[test]
    fn refused_privileges() {
        let refusal = |text| Privilege::declared(text, true).unwrap_err().to_string();
        insta::assert_snapshot!(refusal("SELCT"), @r#""SELCT" is not a privilege on a database or table: use names such as SELECT, INSERT or CREATE VIEW"#);
        insta::assert_snapshot!(refusal("all privileges"), @"ALL is refused because it grows with the server's version: name the privileges that the user needs");
        insta::assert_snapshot!(refusal("grant option"), @"GRANT OPTION is refused: a user that grants its privileges to others makes undeclared grants");
        insta::assert_snapshot!(refusal("PROCESS"), @"PROCESS is a global privilege (ON *.*), which would reach every database on the server: application users get privileges on databases and tables only");
        insta::assert_snapshot!(refusal("LOCK TABLES"), @"LOCK TABLES can't be granted on a table: grant it on the database, or leave it out");
        for text in ["", "SELECT, INSERT", "SELECT ON *.* TO x; --", "ROLE_ADMIN", "USAGE", "PROXY"] {
            assert!(
                matches!(Privilege::declared(text, false), Err(PrivilegeError::Unknown { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn names_from_the_catalog() {
        assert_eq!(Privilege::observed("Create View").sql(), "CREATE VIEW");
        assert_eq!(Privilege::observed("Show view"), Privilege::from_name("SHOW VIEW"));
        assert_eq!(Privilege::observed("Grant"), Privilege::GRANT_OPTION);
        assert_eq!(Privilege::observed("ROLE_ADMIN").sql(), "ROLE_ADMIN");
        assert_eq!(Privilege::observed("x` ON *.* TO y").sql(), "`X`` ON *.* TO Y`");
    }
}
