//! What is wrong with the settings.

use std::fmt;

use super::sources::{Layer, Setting};

/// Everything that is wrong with the settings, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

/// One thing that is wrong: the setting, where its value came from, and the cause with its mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    setting: String,
    origin: String,
    cause: String,
}

impl ConfigError {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// The problems, in the order of the settings.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("the configuration has a problem:")?,
            count => write!(f, "the configuration has {count} problems:")?,
        }
        self.problems.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}

impl std::error::Error for ConfigError {}

impl Problem {
    pub(super) fn new(
        setting: impl fmt::Display,
        origin: impl fmt::Display,
        cause: impl fmt::Display,
    ) -> Self {
        Self { setting: setting.to_string(), origin: origin.to_string(), cause: cause.to_string() }
    }

    /// Nothing gives the setting: says every place where it could be.
    pub(super) fn missing(setting: Setting, layers: &[Layer]) -> Self {
        let mut ways = vec![format!("set {}", setting.variable())];
        if let Some(key) = setting.key()
            && !layers.iter().any(Layer::is_file)
        {
            ways.push(format!("name an rds.conf with {key} by --config"));
        }
        ways.push(match layers.iter().find_map(Layer::prefix) {
            Some(prefix) => format!("create the parameter {prefix}/{}", setting.parameter()),
            None => format!("set RDS_IAM_SSM_PREFIX to read <prefix>/{}", setting.parameter()),
        });
        Self::new(setting.name(), "not set", ways.join(", or "))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.setting, self.origin, self.cause)
    }
}
