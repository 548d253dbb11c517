//! `Value` and `Entry`: the tree that YAML, TOML and variables are all read into, each key with its line.

/// A value. It has no `Debug`, since it may be a secret.
pub(super) enum Value {
    /// Nothing, as after `region:` in YAML.
    Empty,
    /// Text, a number or a boolean, as it is written.
    Scalar(String),
    /// Keys with their values, in the order of the source.
    Map(Vec<Entry>),
    /// A list. No key has one.
    List,
    /// A value that can't be used, which was reported.
    Unusable,
}

/// A key with its value.
pub(super) struct Entry {
    pub(super) key: String,
    /// The line of the key, counted from 1. `None` for a variable.
    pub(super) line: Option<usize>,
    pub(super) value: Value,
}

/// The deepest nesting of maps and lists. The deepest key, `database.connections.NAME.aws_iam_auth.region`, is in the
/// fourth map below the root.
pub(super) const MOST_DEPTH: usize = 8;
