//! Grants: privileges on objects, as declared and as observed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::names::{identifier, visible};
use super::{Kind, Privilege};

/// The observed privileges of a role: each with its grantor, and whether the role may grant it to others.
pub(crate) type ObservedGrants = BTreeMap<Object, BTreeSet<Held>>;

/// A privilege as the server has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Held {
    /// The privilege.
    pub(crate) privilege: Privilege,
    /// The role that granted it. Only that role can revoke it.
    pub(crate) grantor: String,
    /// Whether the role may grant it to others.
    pub(crate) with_grant_option: bool,
}

/// Privileges on a database, or on objects in the database of `rds.conf`, as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The objects.
    pub(crate) scope: Scope,
    /// The privileges.
    pub(crate) privileges: BTreeSet<Privilege>,
}

/// The objects of a declared grant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// A database.
    Database(String),
    /// A schema of the database of `rds.conf`.
    Schema(String),
    /// One table, sequence or function, by its name.
    One {
        /// The kind.
        kind: Kind,
        /// The schema.
        schema: String,
        /// The name.
        name: String,
    },
    /// All tables, sequences or functions of a schema, and those that are created later.
    All {
        /// The kind.
        kind: Kind,
        /// The schema.
        schema: String,
    },
}

impl Scope {
    /// Returns the schema.
    pub(crate) fn schema(&self) -> Option<&str> {
        match self {
            Self::Database(_) => None,
            Self::Schema(schema) | Self::One { schema, .. } | Self::All { schema, .. } => Some(schema),
        }
    }
}

/// Lists privileges for display.
pub(super) fn list(privileges: &BTreeSet<Privilege>) -> String {
    privileges.iter().map(|privilege| visible(&privilege.to_string())).collect::<Vec<_>>().join(", ")
}

/// The object of a privilege.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Object {
    /// A database.
    Database(String),
    /// A schema.
    Schema(String),
    /// A column. Ordered before the table: revoking a privilege on the table revokes it on the columns too, and then
    /// there would be nothing left to revoke here.
    Column {
        /// The schema.
        schema: String,
        /// The table.
        table: String,
        /// The name.
        column: String,
    },
    /// A table or view.
    Table {
        /// The schema.
        schema: String,
        /// The name.
        table: String,
    },
    /// A sequence.
    Sequence {
        /// The schema.
        schema: String,
        /// The name.
        sequence: String,
    },
    /// A function or procedure.
    Function {
        /// The schema.
        schema: String,
        /// The name.
        function: String,
        /// The types of its arguments, in SQL as the server writes them.
        arguments: String,
    },
    /// An object of a kind on which no privilege can be declared.
    Other {
        /// The kind.
        kind: OtherKind,
        /// The schema of a type. Empty for all others.
        schema: String,
        /// The name; of a large object, its number.
        name: String,
    },
    /// Objects that a role will create: default privileges.
    Future {
        /// The role that creates the objects.
        owner: String,
        /// The schema; `None` is every schema.
        schema: Option<String>,
        /// The kind of the objects: `TABLES`, `SEQUENCES`, `FUNCTIONS`, `TYPES` or `SCHEMAS`.
        objects: FutureObjects,
    },
}

/// The kinds of objects on which no privilege can be declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum OtherKind {
    /// A type or domain.
    Type,
    /// A server of a foreign data wrapper.
    ForeignServer,
    /// A foreign data wrapper.
    ForeignDataWrapper,
    /// A language of functions.
    Language,
    /// A large object.
    LargeObject,
    /// A setting of the server.
    Parameter,
    /// A tablespace.
    Tablespace,
}

impl OtherKind {
    const ALL: [Self; 7] = [
        Self::Type,
        Self::ForeignServer,
        Self::ForeignDataWrapper,
        Self::Language,
        Self::LargeObject,
        Self::Parameter,
        Self::Tablespace,
    ];

    /// Returns the kind of its words in SQL.
    pub(super) fn from_sql(sql: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.sql() == sql)
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Type => "TYPE",
            Self::ForeignServer => "FOREIGN SERVER",
            Self::ForeignDataWrapper => "FOREIGN DATA WRAPPER",
            Self::Language => "LANGUAGE",
            Self::LargeObject => "LARGE OBJECT",
            Self::Parameter => "PARAMETER",
            Self::Tablespace => "TABLESPACE",
        }
    }

    fn name(self, schema: &str, name: &str) -> String {
        match self {
            Self::Type => format!("{}.{}", identifier(schema), identifier(name)),
            Self::LargeObject => name.chars().filter(char::is_ascii_digit).collect(),
            Self::Parameter => name.split('.').map(identifier).collect::<Vec<_>>().join("."),
            _ => identifier(name),
        }
    }
}

/// The kinds of objects that have default privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum FutureObjects {
    /// Tables and views.
    Tables,
    /// Sequences.
    Sequences,
    /// Functions and procedures.
    Functions,
    /// Types.
    Types,
    /// Schemas.
    Schemas,
    /// Large objects, since PostgreSQL 18.
    LargeObjects,
}

impl FutureObjects {
    /// Returns the kind of `pg_default_acl.defaclobjtype`.
    pub(super) fn from_code(code: &str) -> Self {
        match code {
            "S" => Self::Sequences,
            "f" => Self::Functions,
            "T" => Self::Types,
            "n" => Self::Schemas,
            "L" => Self::LargeObjects,
            _ => Self::Tables,
        }
    }

    pub(super) fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Table => Some(Self::Tables),
            Kind::Sequence => Some(Self::Sequences),
            Kind::Function => Some(Self::Functions),
            Kind::Database | Kind::Schema => None,
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Tables => "TABLES",
            Self::Sequences => "SEQUENCES",
            Self::Functions => "FUNCTIONS",
            Self::Types => "TYPES",
            Self::Schemas => "SCHEMAS",
            Self::LargeObjects => "LARGE OBJECTS",
        }
    }
}

/// A change of privileges: its verb, and the word before the grantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Grant,
    Revoke,
    RevokeGrantOption,
}

impl Object {
    /// Returns the statement that grants or revokes privileges on this object.
    pub(super) fn statement(&self, verb: Verb, privileges: &BTreeSet<Privilege>, role: &str) -> String {
        let columns = match self {
            Self::Column { column, .. } => format!(" ({})", identifier(column)),
            _ => String::new(),
        };
        let list: Vec<_> =
            privileges.iter().map(|privilege| format!("{}{columns}", privilege.sql())).collect();
        let (list, role) = (list.join(", "), identifier(role));
        let (begin, to) = match verb {
            Verb::Grant => ("GRANT ", "TO"),
            Verb::Revoke => ("REVOKE ", "FROM"),
            Verb::RevokeGrantOption => ("REVOKE GRANT OPTION FOR ", "FROM"),
        };
        if let Self::Future { owner, schema, .. } = self {
            let within = schema.as_ref().map(|schema| format!(" IN SCHEMA {}", identifier(schema)));
            let within = within.unwrap_or_default();
            let owner = identifier(owner);
            return format!(
                "ALTER DEFAULT PRIVILEGES FOR ROLE {owner}{within} {begin}{list} ON {} {to} {role}",
                self.sql()
            );
        }
        format!("{begin}{list} ON {} {to} {role}", self.sql())
    }

    fn sql(&self) -> String {
        match self {
            Self::Database(name) => format!("DATABASE {}", identifier(name)),
            Self::Schema(name) => format!("SCHEMA {}", identifier(name)),
            Self::Column { schema, table, .. } | Self::Table { schema, table } => {
                format!("TABLE {}.{}", identifier(schema), identifier(table))
            }
            Self::Sequence { schema, sequence } => {
                format!("SEQUENCE {}.{}", identifier(schema), identifier(sequence))
            }
            Self::Function { schema, function, arguments } => {
                format!("ROUTINE {}.{}({arguments})", identifier(schema), identifier(function))
            }
            Self::Other { kind, schema, name } => format!("{} {}", kind.sql(), kind.name(schema, name)),
            Self::Future { objects, .. } => objects.sql().to_owned(),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(name) => write!(f, "database {}", visible(name)),
            Self::Schema(name) => write!(f, "schema {}", visible(name)),
            Self::Column { schema, table, column } => {
                write!(f, "{}.{}.{}", visible(schema), visible(table), visible(column))
            }
            Self::Table { schema, table } => write!(f, "{}.{}", visible(schema), visible(table)),
            Self::Sequence { schema, sequence } => {
                write!(f, "sequence {}.{}", visible(schema), visible(sequence))
            }
            Self::Function { schema, function, arguments } => {
                write!(f, "function {}.{}({})", visible(schema), visible(function), visible(arguments))
            }
            Self::Other { kind, schema, name } => {
                let of = if schema.is_empty() { String::new() } else { format!("{}.", visible(schema)) };
                write!(f, "{} {of}{}", kind.sql().to_ascii_lowercase(), visible(name))
            }
            Self::Future { owner, schema, objects } => {
                write!(f, "{} that {} will create", objects.sql().to_ascii_lowercase(), visible(owner))?;
                match schema {
                    Some(schema) => write!(f, " in {}", visible(schema)),
                    None => f.write_str(" in any schema"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements() {
        let two = BTreeSet::from(["INSERT", "SELECT"].map(Privilege::from_name));
        let (schema, table) = (String::from("s\"1"), String::from("t"));
        let owner = String::from("own");
        let other =
            |kind, schema: &str, name: &str| Object::Other { kind, schema: schema.into(), name: name.into() };
        let objects = [
            Object::Database("d".into()),
            Object::Schema(schema.clone()),
            Object::Column { schema: schema.clone(), table: table.clone(), column: "c".into() },
            Object::Table { schema: schema.clone(), table },
            Object::Sequence { schema: schema.clone(), sequence: "q".into() },
            Object::Function { schema: schema.clone(), function: "f".into(), arguments: "integer".into() },
            Object::Future { owner: owner.clone(), schema: Some(schema), objects: FutureObjects::Tables },
            Object::Future { owner, schema: None, objects: FutureObjects::Functions },
            other(OtherKind::Type, "s\"1", "mood"),
            other(OtherKind::ForeignServer, "", "their server"),
            other(OtherKind::LargeObject, "", "16385"),
            other(OtherKind::Parameter, "", "rds.force_ssl"),
        ];
        let lines: Vec<_> = objects
            .iter()
            .zip([Verb::Grant, Verb::Revoke, Verb::RevokeGrantOption].into_iter().cycle())
            .map(|(object, verb)| format!("{object}: {}", object.statement(verb, &two, "app")))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        database d: GRANT SELECT, INSERT ON DATABASE "d" TO "app"
        schema s"1: REVOKE SELECT, INSERT ON SCHEMA "s""1" FROM "app"
        s"1.t.c: REVOKE GRANT OPTION FOR SELECT ("c"), INSERT ("c") ON TABLE "s""1"."t" FROM "app"
        s"1.t: GRANT SELECT, INSERT ON TABLE "s""1"."t" TO "app"
        sequence s"1.q: REVOKE SELECT, INSERT ON SEQUENCE "s""1"."q" FROM "app"
        function s"1.f(integer): REVOKE GRANT OPTION FOR SELECT, INSERT ON ROUTINE "s""1"."f"(integer) FROM "app"
        tables that own will create in s"1: ALTER DEFAULT PRIVILEGES FOR ROLE "own" IN SCHEMA "s""1" GRANT SELECT, INSERT ON TABLES TO "app"
        functions that own will create in any schema: ALTER DEFAULT PRIVILEGES FOR ROLE "own" REVOKE SELECT, INSERT ON FUNCTIONS FROM "app"
        type s"1.mood: REVOKE GRANT OPTION FOR SELECT, INSERT ON TYPE "s""1"."mood" FROM "app"
        foreign server their server: GRANT SELECT, INSERT ON FOREIGN SERVER "their server" TO "app"
        large object 16385: REVOKE SELECT, INSERT ON LARGE OBJECT 16385 FROM "app"
        parameter rds.force_ssl: REVOKE GRANT OPTION FOR SELECT, INSERT ON PARAMETER "rds"."force_ssl" FROM "app"
        "#);
    }
}
