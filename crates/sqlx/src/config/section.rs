//! `Section`: a map with known keys, and `Errors`: the errors found so far, each with the name of its key.

use strsim::osa_distance;

use super::error::{EntryError, MOST_ERRORS};
use super::node::{Entry, Value};

/// The names of keys in messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// `database.connections.writer.dsn`
    Paths,
    /// `DB_WRITER_DSN`
    Variables,
}

/// The errors of one source.
pub(super) struct Errors {
    names: Names,
    found: Vec<EntryError>,
}

impl Errors {
    pub(super) fn new(names: Names) -> Self {
        Self { names, found: Vec::new() }
    }

    pub(super) fn add(&mut self, line: Option<usize>, path: &[&str], reason: impl Into<String>) {
        let key = Some(self.name(path)).filter(|name| !name.is_empty());
        self.push(EntryError { line, key, reason: reason.into() });
    }

    /// Adds an error of the syntax.
    pub(super) fn add_syntax(&mut self, line: usize, reason: impl Into<String>) {
        self.push(EntryError { line: Some(line), key: None, reason: reason.into() });
    }

    fn push(&mut self, error: EntryError) {
        if self.found.len() < MOST_ERRORS {
            self.found.push(error);
        }
    }

    /// Returns the name of a key in messages.
    pub(super) fn name(&self, path: &[&str]) -> String {
        let shown: Vec<_> = path.iter().map(|key| shown(key)).collect();
        match (self.names, shown.as_slice()) {
            (Names::Variables, ["database", "connections", rest @ ..]) if !rest.is_empty() => {
                format!("DB_{}", rest.join("_").to_uppercase())
            }
            (Names::Variables, ["database", rest @ ..]) => format!("DB_{}", rest.join("_").to_uppercase()),
            _ => shown.join("."),
        }
    }

    pub(super) fn names(&self) -> Names {
        self.names
    }

    /// Returns the errors by line.
    pub(super) fn into_sorted(mut self) -> Vec<EntryError> {
        self.found.sort_by_key(|error| error.line);
        self.found
    }
}

/// Returns whether a text can be a name: 1 to 64 letters, digits, `_`, `-` and `.`.
pub(super) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// Returns a key as messages show it: a text that can't be a name may be a secret in the wrong place.
fn shown(key: &str) -> &str {
    if is_name(key) { key } else { "(a key that is not a name)" }
}

/// A map with known keys.
pub(super) struct Section<'n> {
    pub(super) line: Option<usize>,
    pub(super) path: Vec<&'n str>,
    entries: &'n [Entry],
}

impl<'n> Section<'n> {
    /// Opens a map, and reports each key that is not one of `known`. Returns `None` after reporting if it is not a map.
    pub(super) fn open(
        value: &'n Value,
        line: Option<usize>,
        path: Vec<&'n str>,
        known: &[&'static str],
        errors: &mut Errors,
    ) -> Option<Self> {
        let Value::Map(entries) = value else {
            let reason = match value {
                Value::Unusable => return None,
                Value::Empty => "is empty",
                _ => "has one value or a list",
            };
            let reason = match errors.names() {
                Names::Paths => format!("{reason}: write the keys below it, indented"),
                Names::Variables => {
                    format!(
                        "is no variable: set those that begin with it, such as {}",
                        errors.name(&[&path[..], &known[..1]].concat())
                    )
                }
            };
            errors.add(line, &path, reason);
            return None;
        };
        let section = Self { line, path, entries };
        for entry in section.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let known_names: Vec<_> = known.iter().map(|key| section.name_of_sibling(key, errors)).collect();
            let suggestion = nearest(&entry.key, known)
                .map(|key| format!(" (did you mean {}?)", section.name_of_sibling(key, errors)))
                .unwrap_or_default();
            let reason =
                format!("is unknown{suggestion}: remove it, or use one of {}", known_names.join(", "));
            errors.add(entry.line, &section.path_of(&entry.key), reason);
        }
        Some(section)
    }

    /// Returns a key's short name in a file, and the whole name of a variable.
    fn name_of_sibling(&self, key: &str, errors: &Errors) -> String {
        match errors.names() {
            Names::Paths => key.to_owned(),
            // No variable has the name of a section.
            Names::Variables if key == "aws_iam_auth" => {
                format!("{}_ENABLED", errors.name(&self.path_of(key)))
            }
            Names::Variables => errors.name(&self.path_of(key)),
        }
    }

    pub(super) fn path_of<'k>(&self, key: &'k str) -> Vec<&'k str>
    where
        'n: 'k,
    {
        self.path.iter().copied().chain([key]).collect()
    }

    /// Returns the entry of a key, whatever its value.
    pub(super) fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Returns the text of a key. Reports a key that has none, with `example` as what would be right.
    pub(super) fn text(&self, key: &'static str, example: &str, errors: &mut Errors) -> Option<Field<'n>> {
        let entry = self.entry(key)?;
        let path = self.path_of(&entry.key);
        let reason = match &entry.value {
            Value::Scalar(text) if !text.trim().is_empty() => {
                return Some(Field { text, line: entry.line, path });
            }
            Value::Scalar(_) | Value::Empty => format!("is empty: write {example}, or remove it"),
            Value::Unusable => return None,
            Value::Map(_) | Value::List => format!("has several values: write one, such as {example}"),
        };
        errors.add(entry.line, &path, reason);
        None
    }

    /// Reports a key that is missing.
    pub(super) fn missing(&self, key: &'static str, reason: &str, errors: &mut Errors) {
        errors.add(self.line, &self.path_of(key), format!("is missing: {reason}"));
    }
}

/// The value of a key.
pub(super) struct Field<'n> {
    pub(super) text: &'n str,
    pub(super) line: Option<usize>,
    pub(super) path: Vec<&'n str>,
}

impl Field<'_> {
    /// Parses the value. Reports an error.
    pub(super) fn parse<T>(
        &self,
        errors: &mut Errors,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        parse(self.text).map_err(|reason| self.refuse(reason, errors)).ok()
    }

    /// Reports an error of the value.
    pub(super) fn refuse(&self, reason: impl Into<String>, errors: &mut Errors) {
        errors.add(self.line, &self.path, reason);
    }
}

/// Names that sqlx has for the keys.
const OTHER_NAMES: [(&str, &str); 4] = [
    ("max_connections", "max_open_connections"),
    ("max_lifetime", "connection_max_lifetime"),
    ("idle_timeout", "connection_max_idle_time"),
    ("acquire_timeout", "connection_timeout"),
];

/// Returns the known key that a key is another name or a misspelling of: at most a third of its letters differ.
fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    if !is_name(key) {
        return None;
    }
    let key = key.to_ascii_lowercase();
    let other = OTHER_NAMES.iter().find(|(other, name)| *other == key && known.contains(name));
    if let Some((_, name)) = other {
        return Some(name);
    }
    // Two neighbours in the wrong order count once.
    let (distance, nearest) = known.iter().map(|known| (osa_distance(&key, known), *known)).min()?;
    (distance <= nearest.len().div_ceil(3)).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_find_the_nearest_key() {
        let known = ["driver", "dsn", "max_open_connections", "max_idle_connections", "aws_iam_auth"];
        for (key, expected) in [
            ("dns", Some("dsn")),
            ("DSN", Some("dsn")),
            ("max_open_conns", Some("max_open_connections")),
            ("max_idle_connection", Some("max_idle_connections")),
            ("iam_auth", Some("aws_iam_auth")),
            ("max_connections", Some("max_open_connections")),
            ("password", None),
            ("x", None),
            ("mysql://app:hunter2@h", None),
        ] {
            assert_eq!(nearest(key, &known), expected, "{key}");
        }
    }

    #[test]
    fn names_of_keys_and_variables() {
        let path = ["database", "connections", "read_only", "aws_iam_auth", "region"];
        assert_eq!(
            Errors::new(Names::Paths).name(&path),
            "database.connections.read_only.aws_iam_auth.region"
        );
        let variables = Errors::new(Names::Variables);
        assert_eq!(variables.name(&path), "DB_READ_ONLY_AWS_IAM_AUTH_REGION");
        assert_eq!(variables.name(&["database", "default"]), "DB_DEFAULT");
        assert_eq!(Errors::new(Names::Paths).name(&["a:b@c"]), "(a key that is not a name)");
    }
}
