//! `SettingError`: a setting of a pool that can't be used, with its cause and what would be right.

use std::fmt;

/// The error of one setting of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingError {
    /// The setting: the name of a method of [`Builder`](crate::Builder) or of [`Limits`](crate::Limits), `connection` of a
    /// configuration, or `environment` for a variable.
    pub setting: &'static str,
    /// The cause, and what would be right.
    pub cause: String,
}

impl SettingError {
    pub(crate) fn new(setting: &'static str, cause: impl Into<String>) -> Self {
        Self { setting, cause: cause.into() }
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.cause)
    }
}
