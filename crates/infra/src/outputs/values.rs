//! Values that only outputs have, checked once.

use std::fmt;
use std::str::FromStr;

/// A text is not what its output must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} {reason}")]
#[non_exhaustive]
pub struct ValueError {
    /// The text as given.
    pub given: String,
    /// What is wrong with it, and what is expected.
    pub reason: &'static str,
}

/// How a proxy logs in to its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RDS Proxy has two ways, and a third must be decided on everywhere"
)]
pub enum Authentication {
    /// By a token of its own role, as the same user (end-to-end IAM).
    Iam,
    /// With the password of a linked secret.
    Secret,
}

impl FromStr for Authentication {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "iam" => Ok(Self::Iam),
            "secret" => Ok(Self::Secret),
            _ => Err(ValueError { given: text.to_owned(), reason: "is neither \"iam\" nor \"secret\"" }),
        }
    }
}

impl fmt::Display for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iam => "iam",
            Self::Secret => "secret",
        })
    }
}

/// The name of a parameter in Parameter Store, or the path that several begin with.
///
/// ```
/// use rds_iam_infra::outputs::ParameterPath;
///
/// assert!("/dev/database".parse::<ParameterPath>().is_ok());
/// assert!("/dev/database/".parse::<ParameterPath>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterPath(String);

impl ParameterPath {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ParameterPath {
    type Err = ValueError;

    /// As `PutParameter` of the Systems Manager API reference has it.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "/_.-".contains(c);
        let levels = || text.split('/').skip(1);
        let taken = |level: &str| {
            let level = level.to_ascii_lowercase();
            level.starts_with("aws") || level.starts_with("ssm")
        };
        let reason = if !text.starts_with('/') || !text.chars().all(allowed) || levels().any(str::is_empty) {
            "is not the path of a parameter: expected one such as /dev/database, of letters, digits and /_.-, \
             with a / at its beginning and none at its end"
        } else if levels().next().is_some_and(taken) {
            "is not a path that parameters may have: names that begin with aws or ssm are AWS's own"
        } else if levels().count() > 14 || text.len() > 900 {
            "is too long for the path of a parameter: AWS takes 15 levels and 1011 characters in all"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(ValueError { given: text.to_owned(), reason })
    }
}

impl fmt::Display for ParameterPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
