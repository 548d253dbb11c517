//! A value of a plan, with its metadata: whether it is known, and whether it is sensitive.

use serde_json::Value;

/// A value in the three trees of a change that have the same structure. If `unknown` or `sensitive` is
/// `true`, this applies to everything below.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    value: &'a Value,
    unknown: &'a Value,
    sensitive: &'a Value,
}

static NULL: Value = Value::Null;

fn below<'a>(tree: &'a Value, child: Option<&'a Value>) -> &'a Value {
    if tree.is_boolean() { tree } else { child.unwrap_or(&NULL) }
}

impl<'a> Node<'a> {
    pub(super) fn new(value: &'a Value, unknown: &'a Value, sensitive: &'a Value) -> Self {
        Self { value, unknown, sensitive }
    }

    pub(super) fn get(self, key: &str) -> Self {
        Self {
            value: self.value.get(key).unwrap_or(&NULL),
            unknown: below(self.unknown, self.unknown.get(key)),
            sensitive: below(self.sensitive, self.sensitive.get(key)),
        }
    }

    /// Returns the elements of a list, a set or repeated blocks.
    pub(super) fn items(self) -> impl Iterator<Item = Self> {
        let length = |tree: &Value| tree.as_array().map_or(0, Vec::len);
        (0..length(self.value).max(length(self.unknown))).map(move |index| Self {
            value: self.value.get(index).unwrap_or(&NULL),
            unknown: below(self.unknown, self.unknown.get(index)),
            sensitive: below(self.sensitive, self.sensitive.get(index)),
        })
    }

    pub(super) fn is_unknown(self) -> bool {
        self.unknown == &Value::Bool(true)
    }

    /// Returns whether the value or any part of it is unknown.
    pub(super) fn has_unknown(self) -> bool {
        has_true(self.unknown)
    }

    pub(super) fn is_null(self) -> bool {
        self.value.is_null() && !self.has_unknown()
    }

    pub(super) fn str(self) -> Option<&'a str> {
        self.value.as_str()
    }

    pub(super) fn bool(self) -> Option<bool> {
        self.value.as_bool()
    }

    pub(super) fn int(self) -> Option<i64> {
        self.value.as_i64()
    }

    pub(super) fn is_sensitive(self) -> bool {
        has_true(self.sensitive)
    }

    /// Returns the value for the report, or a placeholder for a sensitive one.
    pub(super) fn shown(self) -> String {
        if self.is_sensitive() { "(sensitive value)".to_owned() } else { self.value.to_string() }
    }
}

pub(super) fn has_true(tree: &Value) -> bool {
    match tree {
        Value::Bool(flag) => *flag,
        Value::Array(items) => items.iter().any(has_true),
        Value::Object(fields) => fields.values().any(has_true),
        _ => false,
    }
}
