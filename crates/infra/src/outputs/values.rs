//! Validated values of Terraform's outputs: the `DatabaseKind`, a proxy's `Authentication`, and `ParameterPath` in
//! Parameter Store.

use std::fmt;
use std::str::FromStr;

use crate::arn::ResourceKind;
use crate::file_value::FileValue;

/// The error of an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} {reason}")]
#[non_exhaustive]
pub struct ValueError {
    /// The given text.
    pub given: String,
    /// The reason and the expected value.
    pub reason: &'static str,
}

/// The kind of a database in RDS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatabaseKind {
    /// One instance.
    Instance,
    /// An Aurora cluster, of one or more instances.
    Cluster,
}

impl DatabaseKind {
    /// Returns the kind of resource that its resource id names.
    #[must_use]
    pub const fn resource(self) -> ResourceKind {
        match self {
            Self::Instance => ResourceKind::Instance,
            Self::Cluster => ResourceKind::Cluster,
        }
    }
}

impl FromStr for DatabaseKind {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "instance" => Ok(Self::Instance),
            "cluster" => Ok(Self::Cluster),
            _ => {
                Err(ValueError { given: text.to_owned(), reason: "is neither \"instance\" nor \"cluster\"" })
            }
        }
    }
}

impl fmt::Display for DatabaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Instance => "instance",
            Self::Cluster => "cluster",
        })
    }
}

/// The authentication of a proxy to its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Authentication {
    /// With a token of the proxy's role, as the same user (end-to-end IAM).
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

/// The name of a parameter in Parameter Store, or the common path of several.
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
    /// Returns the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ParameterPath {
    type Err = ValueError;

    /// Parses a path by the rules of `PutParameter` in the Systems Manager API reference.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "/_.-".contains(c);
        let levels = || text.split('/').skip(1);
        let is_reserved = |level: &str| {
            let level = level.to_ascii_lowercase();
            level.starts_with("aws") || level.starts_with("ssm")
        };
        let reason = if !text.starts_with('/') || !text.chars().all(allowed) || levels().any(str::is_empty) {
            "is not a parameter path: expected one such as /dev/database, of letters, digits and /_.-, starting with / and \
             not ending with /"
        } else if levels().next().is_some_and(is_reserved) {
            "is not an allowed parameter path: names that start with aws or ssm are reserved by AWS"
        } else if levels().count() > 14 || text.len() > 900 {
            "is too long for a parameter path: AWS allows 15 levels and 1011 characters in total"
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

impl FileValue for Authentication {
    const ERROR: &'static str = "neither \"iam\" nor \"secret\"";
}

impl FileValue for DatabaseKind {
    const ERROR: &'static str = "neither \"instance\" nor \"cluster\"";
}

impl FileValue for ParameterPath {
    const ERROR: &'static str = "not a parameter path: expected one such as /dev/database, of letters, digits and /_.-, \
                                 starting with / and not ending with /, of at most 14 levels and 900 characters; AWS \
                                 reserves names that start with aws or ssm";
}
