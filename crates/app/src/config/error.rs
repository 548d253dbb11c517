//! The errors of the settings.

use std::fmt;

/// All errors of the settings, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    errors: Vec<SettingError>,
}

/// The error of one setting: its name, the origin of its value, and the cause with help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    setting: String,
    origin: String,
    cause: String,
}

impl ConfigError {
    pub(super) fn new(errors: Vec<SettingError>) -> Self {
        Self { errors }
    }

    /// Returns the errors, in the order of the settings.
    #[must_use]
    pub fn errors(&self) -> &[SettingError] {
        &self.errors
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.len() {
            1 => f.write_str("the configuration has a problem:")?,
            count => write!(f, "the configuration has {count} problems:")?,
        }
        self.errors.iter().try_for_each(|error| write!(f, "\n- {error}"))
    }
}

impl std::error::Error for ConfigError {}

impl SettingError {
    pub(super) fn new(
        setting: impl fmt::Display,
        origin: impl fmt::Display,
        cause: impl fmt::Display,
    ) -> Self {
        Self { setting: setting.to_string(), origin: origin.to_string(), cause: cause.to_string() }
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.setting, self.origin, self.cause)
    }
}
