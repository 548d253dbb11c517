//! Privileges: their names, and on which kinds of objects they may be declared.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use super::Version;

/// The kinds of objects that privileges may be declared on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A database.
    Database,
    /// A schema.
    Schema,
    /// A table or view.
    Table,
    /// A sequence.
    Sequence,
    /// A function or procedure.
    Function,
}

impl Kind {
    /// Returns the privileges on objects of this kind, in the order that PostgreSQL lists them.
    const fn privileges(self) -> &'static [&'static str] {
        match self {
            Self::Database => &["CREATE", "TEMPORARY", "CONNECT"],
            Self::Schema => &["USAGE", "CREATE"],
            Self::Table => {
                &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"]
            }
            Self::Sequence => &["USAGE", "SELECT", "UPDATE"],
            Self::Function => &["EXECUTE"],
        }
    }

    /// Returns whether `ALL` may be declared: where it does not grow with the server's version.
    const fn has_all(self) -> bool {
        matches!(self, Self::Database | Self::Schema)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database => "database",
            Self::Schema => "schema",
            Self::Table => "table",
            Self::Sequence => "sequence",
            Self::Function => "function",
        })
    }
}

/// The order of display: PostgreSQL's own.
const ORDER: [&str; 13] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    "MAINTAIN",
    "USAGE",
    "CREATE",
    "TEMPORARY",
    "CONNECT",
    "EXECUTE",
];

/// A privilege, by its name in `GRANT`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Privilege(Cow<'static, str>);

impl Privilege {
    /// Parses the privileges that a text stands for on objects of a kind. Ignores case and the width of spaces.
    ///
    /// # Errors
    /// [`PrivilegeError`], with the reason.
    pub(crate) fn declared(text: &str, kind: Kind) -> Result<Vec<Self>, PrivilegeError> {
        let name = normal(text);
        if is_all(&name) {
            if !kind.has_all() {
                return Err(PrivilegeError::All { kind });
            }
            return Ok(kind.privileges().iter().map(|name| Self::from_name(name)).collect());
        }
        let name = if name == "TEMP" { "TEMPORARY".to_owned() } else { name };
        if name == "GRANT OPTION" || name.ends_with("WITH GRANT OPTION") {
            return Err(PrivilegeError::GrantOption);
        }
        match kind.privileges().iter().find(|known| **known == name) {
            Some(known) => Ok(vec![Self::from_name(known)]),
            None => Err(PrivilegeError::Unknown { given: text.to_owned(), kind }),
        }
    }

    /// Creates a privilege from a name in the lists above.
    pub(crate) const fn from_name(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Creates a privilege from its name in the catalog.
    pub(crate) fn observed(name: &str) -> Self {
        Self(Cow::Owned(name.to_ascii_uppercase()))
    }

    /// Returns whether servers of that version have the privilege.
    pub(crate) fn is_known_to(&self, version: Version) -> bool {
        self.0 != "MAINTAIN" || version.has_maintain()
    }

    /// Returns the privilege in SQL. The server's names are made of capitals and spaces.
    pub(crate) fn sql(&self) -> String {
        self.0.chars().filter(|c| c.is_ascii_uppercase() || *c == ' ').collect()
    }
}

/// Returns whether a text is the name of a database's privilege, for a grant that names no schema: `CREATE` is one, as
/// a table has none of that name.
pub(crate) fn is_of_database(text: &str) -> bool {
    let name = normal(text);
    is_all(&name) || name == "TEMP" || Kind::Database.privileges().contains(&name.as_str())
}

fn is_all(name: &str) -> bool {
    ["ALL", "ALL PRIVILEGES"].contains(&name)
}

fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase()
}

impl Ord for Privilege {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |privilege: &Self| ORDER.iter().position(|known| **known == *privilege.0);
        let unknown = ORDER.len();
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

/// The error of a declared privilege. The remedy is to declare another, or none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PrivilegeError {
    /// Not a privilege on objects of that kind.
    #[error("{given:?} is not a privilege on a {kind}: expected {}", kind.privileges().join(", "))]
    Unknown {
        /// The text as given.
        given: String,
        /// The kind of object.
        kind: Kind,
    },
    /// `ALL` on objects whose privileges become more.
    #[error(
        "ALL on a {kind} is refused because it grows with the server's version: name the privileges that the user needs"
    )]
    All {
        /// The kind of object.
        kind: Kind,
    },
    /// `GRANT OPTION`.
    #[error("GRANT OPTION is refused: a user that grants its privileges to others makes undeclared grants")]
    GrantOption,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, kind: Kind) -> String {
        let found = Privilege::declared(text, kind).unwrap();
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn declared_privileges() {
        for (text, kind, expected) in [
            ("select", Kind::Table, "SELECT"),
            (" Maintain ", Kind::Table, "MAINTAIN"),
            ("ALL", Kind::Schema, "USAGE CREATE"),
            ("all  privileges", Kind::Database, "CREATE TEMPORARY CONNECT"),
            ("Temp", Kind::Database, "TEMPORARY"),
            ("usage", Kind::Sequence, "USAGE"),
            ("EXECUTE", Kind::Function, "EXECUTE"),
        ] {
            assert_eq!(names(text, kind), expected);
        }
        assert!(is_of_database("temp") && is_of_database("Create") && is_of_database("ALL PRIVILEGES"));
        assert!(!is_of_database("select") && !is_of_database("CREATE VIEW"));
    }

    #[test]
    fn refused_privileges() {
        let refusal = |text, kind| Privilege::declared(text, kind).unwrap_err().to_string();
        insta::assert_snapshot!(refusal("SELCT", Kind::Table), @r#""SELCT" is not a privilege on a table: expected SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER, MAINTAIN"#);
        insta::assert_snapshot!(refusal("SELECT", Kind::Schema), @r#""SELECT" is not a privilege on a schema: expected USAGE, CREATE"#);
        insta::assert_snapshot!(refusal("all privileges", Kind::Table), @"ALL on a table is refused because it grows with the server's version: name the privileges that the user needs");
        insta::assert_snapshot!(refusal("grant option", Kind::Table), @"GRANT OPTION is refused: a user that grants its privileges to others makes undeclared grants");
        for text in ["", "SELECT, INSERT", "SELECT ON t TO x; --", "CREATE VIEW", "INDEX"] {
            let error = Privilege::declared(text, Kind::Table);
            assert!(matches!(error, Err(PrivilegeError::Unknown { .. })), "{text}");
        }
    }

    #[test]
    fn versions_and_names_from_the_catalog() {
        let maintain = Privilege::from_name("MAINTAIN");
        assert!(!maintain.is_known_to(Version::new(160_000)) && maintain.is_known_to(Version::new(170_000)));
        assert!(Privilege::from_name("SELECT").is_known_to(Version::new(150_000)));
        assert_eq!(Privilege::observed("Select"), Privilege::from_name("SELECT"));
        assert_eq!(Privilege::observed("ALTER SYSTEM").sql(), "ALTER SYSTEM");
        assert_eq!(Privilege::observed("x\" ON y; --").sql(), "X ON Y ");
    }
}
