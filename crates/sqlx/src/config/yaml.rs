//! YAML: the parser's events, pulled one by one, into a [`Value`] with lines. Aliases, anchors, tags, several documents and
//! repeated keys are errors. Nothing recurses, so that no text overflows the stack.

use std::collections::HashMap;

use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::scanner::TScalarStyle;

use super::node::{Entry, MOST_DEPTH, Value};
use super::section::Errors;

/// A map or a list whose end has not been read yet.
enum Open {
    Map {
        /// The key whose value is next, and its line.
        key: Option<(String, usize)>,
        entries: Vec<Entry>,
        lines: HashMap<String, usize>,
    },
    List,
}

/// Reads a text. Returns `None` after reporting an error of the syntax, after which nothing can be read.
pub(super) fn parse(text: &str, errors: &mut Errors) -> Option<Value> {
    let mut parser = Parser::new_from_str(text);
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    loop {
        let (event, marker) = match parser.next_token() {
            Ok(token) => token,
            Err(error) => {
                // The parser's messages quote at most one character of the text.
                let reason = format!("is not valid YAML: {}", error.info());
                errors.add_syntax(error.marker().line().max(1), reason);
                return None;
            }
        };
        let line = marker.line();
        let value = match event {
            Event::StreamEnd => return Some(root.unwrap_or(Value::Empty)),
            Event::DocumentStart if root.is_some() => {
                errors.add_syntax(line, "begins a second document: keep one");
                return None;
            }
            Event::Nothing | Event::StreamStart | Event::DocumentStart | Event::DocumentEnd => continue,
            Event::Alias(_) => {
                report(line, &open, "is an alias (*): write the value itself", errors);
                Value::Unusable
            }
            Event::Scalar(text, style, anchor, tag) => {
                check_plain(anchor, tag.is_some(), line, &open, errors);
                if let Some(Open::Map { key: key @ None, lines, .. }) = open.last_mut() {
                    let first = lines.insert(text.clone(), line);
                    *key = Some((text, line));
                    if let Some(first) = first {
                        let reason = format!("is already on line {first}: remove one of the two");
                        report(line, &open, &reason, errors);
                    }
                    continue;
                }
                scalar(text, style)
            }
            Event::SequenceStart(anchor, tag) => {
                check_plain(anchor, tag.is_some(), line, &open, errors);
                start(Open::List, line, &mut open, errors)?;
                continue;
            }
            Event::MappingStart(anchor, tag) => {
                check_plain(anchor, tag.is_some(), line, &open, errors);
                let map = Open::Map { key: None, entries: Vec::new(), lines: HashMap::new() };
                start(map, line, &mut open, errors)?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::Map { entries, .. }) => Value::Map(entries),
                Some(Open::List) | None => Value::List,
            },
        };
        match open.last_mut() {
            None => root = Some(value),
            Some(Open::List) => {}
            Some(Open::Map { key, entries, .. }) => match key.take() {
                Some((key, line)) => entries.push(Entry { key, line: Some(line), value }),
                None => {
                    errors.add_syntax(line, "has a key that is not a name: write one, such as `writer:`");
                    return None;
                }
            },
        }
    }
}

/// Opens a map or a list. Returns `None` after reporting one that is a key, or is nested too deeply.
fn start(new: Open, line: usize, open: &mut Vec<Open>, errors: &mut Errors) -> Option<()> {
    let reason = if matches!(open.last(), Some(Open::Map { key: None, .. })) {
        "has a key that is not a name: write one, such as `writer:`"
    } else if open.len() >= MOST_DEPTH {
        "is nested too deeply: no key is deeper than database.connections.NAME.aws_iam_auth.region"
    } else {
        open.push(new);
        return Some(());
    };
    errors.add_syntax(line, reason);
    None
}

fn check_plain(anchor: usize, has_tag: bool, line: usize, open: &[Open], errors: &mut Errors) {
    if anchor != 0 {
        report(line, open, "has an anchor (&): remove it", errors);
    }
    if has_tag {
        report(line, open, "has a tag (!): remove it", errors);
    }
}

/// Reports an error at the key whose value is being read.
fn report(line: usize, open: &[Open], reason: &str, errors: &mut Errors) {
    let keys = || {
        open.iter().filter_map(|open| match open {
            Open::Map { key: Some((key, line)), .. } => Some((key.as_str(), *line)),
            _ => None,
        })
    };
    match keys().next_back() {
        None => errors.add_syntax(line, reason),
        // A map begins on the line of its first key, which is after its anchor.
        Some((_, line)) => errors.add(Some(line), &keys().map(|(key, _)| key).collect::<Vec<_>>(), reason),
    }
}

fn scalar(text: String, style: TScalarStyle) -> Value {
    let is_null = matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
    if style == TScalarStyle::Plain && is_null { Value::Empty } else { Value::Scalar(text) }
}
