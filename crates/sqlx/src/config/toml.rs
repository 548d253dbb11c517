//! TOML, into a [`Value`] with lines.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::node::{Entry, MOST_DEPTH, Value};
use super::section::Errors;

/// Reads a text. Returns `None` after reporting the errors of the syntax.
pub(super) fn parse(text: &str, errors: &mut Errors) -> Option<Value> {
    let lines = Lines::new(text);
    let (table, found) = DeTable::parse_recoverable(text);
    for error in &found {
        let line = lines.line_at(error.span().map_or(0, |span| span.start));
        // The message has no part of the text; `Display` would quote the line.
        errors.add_syntax(line, format!("is not valid TOML: {}", error.message()));
    }
    if !found.is_empty() {
        return None;
    }
    map(table.into_inner(), &lines, 0, errors)
}

fn map(table: DeTable<'_>, lines: &Lines, depth: usize, errors: &mut Errors) -> Option<Value> {
    let mut table: Vec<_> = table.into_iter().collect();
    table.sort_by_key(|(key, _)| key.span().start);
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        let line = lines.line_at(key.span().start);
        if depth >= MOST_DEPTH {
            let reason =
                "is nested too deeply: no key is deeper than database.connections.NAME.aws_iam_auth.region";
            errors.add_syntax(line, reason);
            return None;
        }
        let value = convert(value, lines, depth, errors)?;
        entries.push(Entry { key: key.into_inner().into_owned(), line: Some(line), value });
    }
    Some(Value::Map(entries))
}

fn convert(value: Spanned<DeValue<'_>>, lines: &Lines, depth: usize, errors: &mut Errors) -> Option<Value> {
    Some(match value.into_inner() {
        DeValue::String(text) => Value::Scalar(text.into_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Value::Scalar(number.as_str().to_owned()),
        // Another base: not a number as the keys have them.
        DeValue::Integer(number) => Value::Scalar(format!("{number:?}")),
        DeValue::Float(number) => Value::Scalar(number.as_str().to_owned()),
        DeValue::Boolean(on) => Value::Scalar(on.to_string()),
        DeValue::Datetime(time) => Value::Scalar(time.to_string()),
        DeValue::Array(_) => Value::List,
        DeValue::Table(table) => map(table, lines, depth + 1, errors)?,
    })
}

/// The offsets of the line breaks of a text.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(offset, _)| offset).collect())
    }

    /// Returns the line at an offset, counted from 1.
    fn line_at(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}
