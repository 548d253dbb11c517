//! The outer keys of a configuration, `database`, `default` and `connections`: a [`Value`] into connections.

use super::connection::{self, Connection};
use super::node::{Entry, Value};
use super::section::{Errors, Names, Section, is_name};

/// The keys of `database`.
pub(super) const DATABASE_KEYS: [&str; 2] = ["default", "connections"];

/// The connections of a configuration.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    pub(super) default: Option<String>,
    /// In the order of the source.
    pub(super) connections: Vec<(String, Connection)>,
}

/// Reads the root of a configuration.
pub(super) fn read(root: &Value, errors: &mut Errors) -> Configuration {
    read_database(root, errors).unwrap_or_default()
}

fn read_database(root: &Value, errors: &mut Errors) -> Option<Configuration> {
    const ROOT: &str = "is missing: begin the file with `database:`";
    if matches!(root, Value::Empty) {
        errors.add(Some(1), &["database"], ROOT);
        return None;
    }
    let root = Section::open(root, Some(1), Vec::new(), &["database"], errors)?;
    let Some(entry) = root.entry("database") else {
        errors.add(Some(1), &["database"], ROOT);
        return None;
    };
    let database = Section::open(&entry.value, entry.line, vec!["database"], &DATABASE_KEYS, errors)?;
    let connections = read_connections(&database, errors)?;
    let default = database.text("default", "the name of a connection", errors);
    let default = default.and_then(|field| {
        let is_known = connections.iter().any(|(entry, _)| entry.key == field.text);
        if !is_known {
            let names: Vec<_> = connections.iter().map(|(entry, _)| entry.key.as_str()).collect();
            let names = names.into_iter().filter(|name| is_name(name)).collect::<Vec<_>>().join(", ");
            field.refuse(format!("names no connection: write one of {names}"), errors);
        }
        is_known.then(|| field.text.to_owned())
    });
    let connections = connections
        .into_iter()
        .filter_map(|(entry, connection)| Some((entry.key.clone(), connection?)))
        .collect();
    Some(Configuration { default, connections })
}

/// A connection's entry, and its settings if none of them is wrong.
type Read<'n> = (&'n Entry, Option<Connection>);

fn read_connections<'n>(database: &Section<'n>, errors: &mut Errors) -> Option<Vec<Read<'n>>> {
    let Some(entry) = database.entry("connections") else {
        database.missing("connections", "add it with a connection, such as writer", errors);
        return None;
    };
    let path = database.path_of(&entry.key);
    let entries = match &entry.value {
        Value::Map(entries) if !entries.is_empty() => entries,
        Value::Unusable => return None,
        _ if errors.names() == Names::Variables => {
            errors.add(None, &[], "no connection was found: set DB_WRITER_DSN, or another name's");
            return None;
        }
        _ => {
            errors.add(entry.line, &path, "has no connections: add one with its name, such as writer");
            return None;
        }
    };
    let read = |entry: &'n Entry| {
        let path: Vec<_> = path.iter().copied().chain([entry.key.as_str()]).collect();
        if !is_name(&entry.key) {
            let reason = "names a connection: use 1 to 64 letters, digits, _, - and .";
            errors.add(entry.line, &path, reason);
        }
        let section = Section::open(&entry.value, entry.line, path, &connection::KEYS, errors);
        (entry, section.and_then(|section| connection::read(&section, errors)))
    };
    Some(entries.iter().map(read).collect())
}
