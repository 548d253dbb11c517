//! The policy document that allows a role to log in to databases: `rds-db:connect` and nothing else.
//!
//! A program that connects through a proxy needs it on the proxy's id (`prx-…`); a proxy that logs in
//! to the database with IAM needs it on the instance's or cluster's. Conditions on the caller's network
//! (`SourceIp`, `SourceVpc`, …) have no effect on this action, so there are none.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::arn::RdsDbArn;

/// A policy document that allows `rds-db:connect` on some users. `Display` gives its JSON.
///
/// ```
/// use rds_iam_infra::policy::ConnectPolicy;
///
/// let arn = "arn:aws:rds-db:eu-west-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/node_app".parse()?;
/// let document: serde_json::Value = serde_json::from_str(&ConnectPolicy::new([arn])?.to_string())?;
/// assert_eq!(document["Statement"][0]["Action"], "rds-db:connect");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectPolicy {
    arns: BTreeSet<RdsDbArn>,
}

impl ConnectPolicy {
    /// Creates a policy for these ARNs, sorted and without duplicates.
    ///
    /// # Errors
    /// Returns an error if there is no ARN, or they are in different partitions, which one policy cannot span.
    pub fn new(arns: impl IntoIterator<Item = RdsDbArn>) -> Result<Self, PolicyError> {
        let arns: BTreeSet<_> = arns.into_iter().collect();
        let partitions: BTreeSet<_> = arns.iter().map(RdsDbArn::partition).collect();
        match partitions.len() {
            0 => Err(PolicyError::Empty),
            1 => Ok(Self { arns }),
            _ => Err(PolicyError::Partitions { partitions: Vec::from_iter(partitions).join(", ") }),
        }
    }

    /// Returns the allowed ARNs.
    pub fn arns(&self) -> impl Iterator<Item = &RdsDbArn> {
        self.arns.iter()
    }
}

impl fmt::Display for ConnectPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = self.arns.iter().map(RdsDbArn::to_string).collect();
        let document = Document { version: "2012-10-17", statement: [Statement::connect(resource)] };
        f.write_str(&to_json(&document))
    }
}

/// The policy was not created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// There is no ARN.
    #[error("a policy for rds-db:connect needs at least one ARN: add a database user and its database")]
    Empty,
    /// The ARNs are in several partitions.
    #[error("one policy cannot span partitions ({partitions}): create one for each")]
    Partitions {
        /// The ARNs' partitions.
        partitions: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    version: &'static str,
    statement: [Statement; 1],
}

/// A statement; resources are texts because [`crate::remedy`] has placeholders in some.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Statement {
    sid: &'static str,
    effect: &'static str,
    action: &'static str,
    resource: Vec<String>,
}

impl Statement {
    pub(crate) fn connect(resource: Vec<String>) -> Self {
        Self { sid: "ConnectToDatabase", effect: "Allow", action: "rds-db:connect", resource }
    }
}

pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("structs of strings always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(region: &str, partition: &str, user: &str) -> RdsDbArn {
        format!("arn:{partition}:rds-db:{region}:123456789012:dbuser:prx-0a1b2c3d4e5f67890/{user}")
            .parse()
            .unwrap()
    }

    #[test]
    fn the_document() {
        let policy = ConnectPolicy::new([
            arn("eu-west-1", "aws", "node_app"),
            arn("eu-west-1", "aws", "iam_admin"),
            arn("eu-west-1", "aws", "node_app"),
        ])
        .unwrap();
        assert_eq!(policy.arns().count(), 2);
        insta::assert_snapshot!(policy, @r#"
        {
          "Version": "2012-10-17",
          "Statement": [
            {
              "Sid": "ConnectToDatabase",
              "Effect": "Allow",
              "Action": "rds-db:connect",
              "Resource": [
                "arn:aws:rds-db:eu-west-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/iam_admin",
                "arn:aws:rds-db:eu-west-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/node_app"
              ]
            }
          ]
        }
        "#);
    }

    #[test]
    fn user_names_are_escaped_as_json() {
        let policy = ConnectPolicy::new([arn("eu-west-1", "aws", r#"a"b\c"#)]).unwrap().to_string();
        let document: serde_json::Value = serde_json::from_str(&policy).unwrap();
        let resource = document["Statement"][0]["Resource"][0].as_str().unwrap();
        assert!(resource.ends_with(r#"/a"b\c"#), "{resource}");
    }

    #[test]
    fn empty_and_mixed_policies_are_refused() {
        assert_eq!(ConnectPolicy::new([]).unwrap_err(), PolicyError::Empty);
        let mixed = [arn("eu-west-1", "aws", "u"), arn("cn-north-1", "aws-cn", "u")];
        let error = ConnectPolicy::new(mixed).unwrap_err();
        assert_eq!(error.to_string(), "one policy cannot span partitions (aws, aws-cn): create one for each");
    }
}
