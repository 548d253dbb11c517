//! Environment variables, into the same [`Value`] as a file: `DB_WRITER_DSN` is `database.connections.writer.dsn`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use super::node::{Entry, Value};
use super::section::Errors;

/// The ends of variables that give a connection its name.
const NAMING: [&str; 2] = ["_DSN", "_DRIVER"];

/// Reads variables. Those that belong to no connection are ignored: other programs have variables in `DB_` too.
pub(super) fn read(variables: impl IntoIterator<Item = (OsString, OsString)>, errors: &mut Errors) -> Value {
    let variables: BTreeMap<String, OsString> = variables
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.strip_prefix("DB_").is_some_and(is_variable))
        .collect();
    let names: BTreeSet<&str> = variables.keys().filter_map(|variable| connection_name(variable)).collect();
    let mut connections: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
    let mut database = Vec::new();
    for (variable, value) in &variables {
        let Some(rest) = variable.strip_prefix("DB_") else { continue };
        if rest == "DEFAULT" {
            // The names of connections are in lower case.
            let path = ["database", "default"];
            let name = match text(value, &path, errors) {
                Value::Scalar(name) => Value::Scalar(name.to_ascii_lowercase()),
                unusable => unusable,
            };
            database.push(entry("default", name));
            continue;
        }
        // The longest name: DB_READ_ONLY_DSN belongs to read_only, not to read.
        let owner = names
            .iter()
            .copied()
            .filter_map(|name| Some((name, rest.strip_prefix(name)?.strip_prefix('_')?)))
            .max_by_key(|(name, _)| name.len());
        let Some((name, key)) = owner else { continue };
        let (connection, key) = (name.to_ascii_lowercase(), key.to_ascii_lowercase());
        let iam_key = key.strip_prefix("aws_iam_auth_");
        let path: Vec<_> = match iam_key {
            Some(key) => vec!["database", "connections", &connection, "aws_iam_auth", key],
            None => vec!["database", "connections", &connection, &key],
        };
        let value = text(value, &path, errors);
        let entries = connections.entry(name).or_default();
        match iam_key {
            None => entries.push(entry(&key, value)),
            Some(key) => match entries.iter_mut().find(|entry| entry.key == "aws_iam_auth") {
                Some(Entry { value: Value::Map(iam), .. }) => iam.push(entry(key, value)),
                _ => {
                    entries.push(entry("aws_iam_auth", Value::Map(vec![entry(key, value)])));
                }
            },
        }
    }
    let connections = connections
        .into_iter()
        .map(|(name, entries)| entry(&name.to_ascii_lowercase(), Value::Map(entries)))
        .collect();
    database.push(entry("connections", Value::Map(connections)));
    Value::Map(vec![entry("database", Value::Map(database))])
}

fn entry(key: &str, value: Value) -> Entry {
    Entry { key: key.into(), line: None, value }
}

/// Returns the connection that a variable names, in upper case.
fn connection_name(variable: &str) -> Option<&str> {
    let rest = variable.strip_prefix("DB_")?;
    NAMING.iter().find_map(|end| rest.strip_suffix(end)).filter(|name| !name.is_empty())
}

/// Returns whether a text has only letters in upper case, digits and `_`.
fn is_variable(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn text(value: &OsStr, path: &[&str], errors: &mut Errors) -> Value {
    match value.to_str() {
        Some(text) => Value::Scalar(text.to_owned()),
        None => {
            errors.add(None, path, "is not UTF-8 text: write it again");
            Value::Unusable
        }
    }
}
