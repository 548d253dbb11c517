//! `Permission`: an IAM action on a resource, written `ACTION=RESOURCE` in arguments and `ACTION on RESOURCE`
//! in reports.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The words between action and resource in reports.
const SEPARATOR: &str = " on ";

/// A permission: an action on a resource.
///
/// ```
/// use rds_iam_infra::Permission;
///
/// let put: Permission = "ecr:PutImage=ecr:eu-west-1:123456789012:repository/orders-dev".parse().unwrap();
/// assert_eq!(put.action, "ecr:PutImage");
/// assert_eq!(put.to_string(), "ecr:PutImage on ecr:eu-west-1:123456789012:repository/orders-dev");
/// assert!("ecr:PutImage".parse::<Permission>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// An action, such as `ecr:PutImage`.
    pub action: String,
    /// An ARN without `arn:<partition>:`, or `*`.
    pub resource: String,
}

impl Permission {
    /// Creates an action on a resource.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into() }
    }

    /// Returns it as an argument of `rds-iam whoami --may`, which [`FromStr`] parses.
    #[must_use]
    pub fn to_argument(&self) -> String {
        format!("{}={}", self.action, self.resource)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{SEPARATOR}{}", self.action, self.resource)
    }
}

impl Serialize for Permission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Permission {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parts = text.split_once(SEPARATOR);
        parts
            .map(|(action, resource)| Self::new(action, resource))
            .ok_or_else(|| D::Error::custom(PermissionError))
    }
}

/// The error of a text that is not a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a permission is ACTION=RESOURCE, such as ecr:GetAuthorizationToken=*")]
#[non_exhaustive]
pub struct PermissionError;

impl FromStr for Permission {
    type Err = PermissionError;

    fn from_str(text: &str) -> Result<Self, PermissionError> {
        let (action, resource) = text.split_once('=').ok_or(PermissionError)?;
        let is_action =
            action.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
        if is_action && !resource.is_empty() {
            Ok(Self { action: action.to_owned(), resource: resource.to_owned() })
        } else {
            Err(PermissionError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_text_forms_are_read_back() {
        let put = Permission::new("ssm:PutParameter", "ssm:eu-west-1:123456789012:parameter/dev/app/image");
        assert_eq!(put.to_argument().parse(), Ok(put.clone()));
        let json = serde_json::to_string(&put).unwrap();
        assert_eq!(serde_json::from_str::<Permission>(&json).unwrap(), put);
        assert!(serde_json::from_str::<Permission>("\"ssm:PutParameter\"").is_err());
    }

    #[test]
    fn a_permission_is_an_action_and_a_resource() {
        for text in ["", "=", "ecr:PutImage", "ecr:PutImage=", "PutImage=*", ":PutImage=*", "ecr:=*"] {
            assert_eq!(text.parse::<Permission>(), Err(PermissionError), "{text}");
        }
    }
}
