//! The ARNs that `rds-db:connect` is allowed on, and their parts. Each is parsed once.
//!
//! Source: "Creating and using an IAM policy for IAM database access" in the Amazon RDS user guide.

use std::fmt;
use std::str::FromStr;

use rds_iam_token::{DbUser, DbUserError, Region, RegionError};

/// The shortest tail AWS documents is 17 characters (`prx-…`), instances have 26; a name that a person
/// chose (`db-production`) is nearly always shorter.
const SHORTEST_TAIL: usize = 16;

/// What kind of thing a [`ResourceId`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "AWS has three, and a fourth must be decided on everywhere")]
pub enum ResourceKind {
    /// `db-…`: a database instance.
    Instance,
    /// `cluster-…`: an Aurora cluster.
    Cluster,
    /// `prx-…`: an RDS Proxy.
    Proxy,
}

impl ResourceKind {
    const ALL: [Self; 3] = [Self::Instance, Self::Cluster, Self::Proxy];

    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Instance => "db-",
            Self::Cluster => "cluster-",
            Self::Proxy => "prx-",
        }
    }
}

/// The id that AWS gave a database, cluster or proxy, as `rds-db:connect` names it. It is *not* the
/// name that a person gave it.
///
/// ```
/// use rds_iam_infra::arn::{ResourceId, ResourceKind};
///
/// let id: ResourceId = "prx-0a1b2c3d4e5f67890".parse()?;
/// assert_eq!(id.kind(), ResourceKind::Proxy);
/// assert!("my-database".parse::<ResourceId>().is_err());
/// # Ok::<(), rds_iam_infra::arn::ResourceIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceId {
    text: String,
    kind: ResourceKind,
}

impl ResourceId {
    /// The id, prefix included.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it names.
    pub fn kind(&self) -> ResourceKind {
        self.kind
    }
}

impl FromStr for ResourceId {
    type Err = ResourceIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(['*', '?']) {
            return Err(ResourceIdError::Wildcard { given: text.to_owned() });
        }
        if text.starts_with("arn:") {
            return Err(ResourceIdError::Arn { given: text.to_owned() });
        }
        let kind = ResourceKind::ALL.into_iter().find(|kind| {
            text.strip_prefix(kind.prefix()).is_some_and(|tail| {
                tail.len() >= SHORTEST_TAIL && tail.bytes().all(|b| b.is_ascii_alphanumeric())
            })
        });
        match kind {
            Some(kind) => Ok(Self { text: text.to_owned(), kind }),
            None => Err(ResourceIdError::Name { given: text.to_owned() }),
        }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is no resource id. The remedy is to give the right one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceIdError {
    /// A name or anything else.
    #[error(
        "{given:?} is not a resource id: a policy takes the id that AWS gave (db-…, cluster-… or prx-… and \
         letters and digits), not the name that you gave. Instance: DbiResourceId of `aws rds \
         describe-db-instances`, Terraform aws_db_instance.resource_id. Aurora cluster: \
         DbClusterResourceId, aws_rds_cluster.cluster_resource_id. Proxy: the last part of DBProxyArn, \
         aws_db_proxy.arn (its id is the name)"
    )]
    Name {
        /// The text as given.
        given: String,
    },
    /// A whole ARN.
    #[error(
        "{given:?} is an ARN: give its resource id alone, the part that begins with db-, cluster- or prx-"
    )]
    Arn {
        /// The text as given.
        given: String,
    },
    /// A wildcard.
    #[error("{given:?} has a wildcard, which would allow logins to other databases: name one resource id")]
    Wildcard {
        /// The text as given.
        given: String,
    },
}

/// An AWS account's number: twelve digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(String);

impl AccountId {
    /// The twelve digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = AccountIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(AccountIdError { given: text.to_owned() })
        }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is no account number. The remedy is to give one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not an AWS account: give its 12 digits, leading zeros included and without dashes \
     (`aws sts get-caller-identity --query Account --output text` prints them)"
)]
#[non_exhaustive]
pub struct AccountIdError {
    /// The text as given.
    pub given: String,
}

/// What `rds-db:connect` is allowed on: one user of one database, cluster or proxy.
///
/// ```
/// use rds_iam_infra::arn::RdsDbArn;
///
/// let text = "arn:aws-cn:rds-db:cn-north-1:123456789012:dbuser:db-ABCDEFGHIJKLMNOPQRSTUVWX12/node_app";
/// let arn: RdsDbArn = text.parse()?;
/// assert_eq!(arn.user().as_str(), "node_app");
/// assert_eq!(arn.to_string(), text);
/// # Ok::<(), rds_iam_infra::arn::RdsDbArnError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RdsDbArn {
    region: Region,
    account: AccountId,
    resource: ResourceId,
    user: DbUser,
}

impl RdsDbArn {
    /// An ARN from its parts; the partition follows from the region.
    ///
    /// # Errors
    /// Where IAM would read the user name as a pattern (`*`, `?`, `${`), and so allow other users too.
    pub fn new(
        region: Region,
        account: AccountId,
        resource: ResourceId,
        user: DbUser,
    ) -> Result<Self, RdsDbArnError> {
        if user_is_pattern(&user) {
            return Err(RdsDbArnError::UserPattern { given: user.as_str().to_owned() });
        }
        Ok(Self { region, account, resource, user })
    }

    /// The partition, which the region lies in.
    pub fn partition(&self) -> &'static str {
        self.region.partition()
    }

    /// The region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The database, cluster or proxy.
    pub fn resource(&self) -> &ResourceId {
        &self.resource
    }

    /// The database user.
    pub fn user(&self) -> &DbUser {
        &self.user
    }
}

/// Whether IAM would read a user name in an ARN as more than itself.
pub(crate) fn user_is_pattern(user: &DbUser) -> bool {
    user.as_str().contains(['*', '?']) || user.as_str().contains("${")
}

impl FromStr for RdsDbArn {
    type Err = RdsDbArnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || RdsDbArnError::Shape { given: text.to_owned() };
        let mut parts = text.splitn(7, ':');
        let mut part = || parts.next().ok_or_else(shape);
        let (arn, partition, service) = (part()?, part()?, part()?);
        let (region, account, kind, rest) = (part()?, part()?, part()?, part()?);
        let (resource, user) = rest.split_once('/').ok_or_else(shape)?;
        if (arn, service, kind) != ("arn", "rds-db", "dbuser") {
            return Err(shape());
        }
        let region: Region = region.parse()?;
        if partition != region.partition() {
            return Err(RdsDbArnError::Partition { given: partition.to_owned(), region });
        }
        Self::new(region, account.parse()?, resource.parse()?, user.parse()?)
    }
}

impl fmt::Display for RdsDbArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, account, resource, user } = self;
        let partition = region.partition();
        write!(f, "arn:{partition}:rds-db:{region}:{account}:dbuser:{resource}/{user}")
    }
}

/// Why a text is no ARN for `rds-db:connect`. The remedy is to mend the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RdsDbArnError {
    /// Not of this form at all.
    #[error(
        "{given:?} is not an ARN for rds-db:connect: write \
         arn:<partition>:rds-db:<region>:<account>:dbuser:<resource-id>/<db-user>"
    )]
    Shape {
        /// The text as given.
        given: String,
    },
    /// The partition and the region do not belong together.
    #[error("the ARN's partition {given:?} does not have region {region}: write {}", region.partition())]
    Partition {
        /// The partition as given.
        given: String,
        /// The region, which lies in another.
        region: Region,
    },
    /// The user name is a pattern.
    #[error(
        "IAM would read the database user {given:?} as a pattern (*, ? or ${{…}}) and allow other users too: \
         name one user without these characters"
    )]
    UserPattern {
        /// The user as given.
        given: String,
    },
    /// The region is none.
    #[error("the ARN's region is wrong")]
    Region(#[from] RegionError),
    /// The account is none.
    #[error("the ARN's account is wrong")]
    Account(#[from] AccountIdError),
    /// The resource id is none.
    #[error("the ARN's resource id is wrong")]
    Resource(#[from] ResourceIdError),
    /// The database user is none.
    #[error("the ARN's database user is wrong")]
    User(#[from] DbUserError),
}

#[cfg(test)]
mod tests {
    use super::*;

    const DB: &str = "db-ABCDEFGHIJKLMNOPQRSTUVWX12";

    #[test]
    fn arns_of_each_kind_and_partition_round_trip() {
        let ids = [
            (DB, ResourceKind::Instance),
            ("cluster-ABCDEFGHIJKLMNOPQRSTUVWX12", ResourceKind::Cluster),
            ("prx-0a1b2c3d4e5f67890", ResourceKind::Proxy),
        ];
        let regions = [("aws", "eu-west-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")];
        for (partition, region) in regions {
            for (id, kind) in ids {
                for user in ["node_app", "a/b:c", "Zoë o'neil", "x=y&z"] {
                    let text = format!("arn:{partition}:rds-db:{region}:012345678901:dbuser:{id}/{user}");
                    let arn: RdsDbArn = text.parse().unwrap();
                    assert_eq!(arn.to_string(), text);
                    assert_eq!((arn.partition(), arn.region().as_str()), (partition, region));
                    assert_eq!((arn.resource().kind(), arn.resource().as_str()), (kind, id));
                    assert_eq!((arn.account().as_str(), arn.user().as_str()), ("012345678901", user));
                }
            }
        }
    }

    #[test]
    fn names_are_not_resource_ids() {
        for name in [
            "",
            "my-database",
            "orders",
            "db-production",
            "DB-ABCDEFGHIJKLMNOPQRSTUVWX12",
            "db-ABCDEFGHIJKLMNOPQRST-UVWX12",
            "db-",
            "prx-ünïcödeünïcödeü",
            "ins-ABCDEFGHIJKLMNOPQRSTUVWX12",
        ] {
            let refused = name.parse::<ResourceId>();
            assert_eq!(refused, Err(ResourceIdError::Name { given: name.into() }));
        }
        insta::assert_snapshot!("my-database".parse::<ResourceId>().unwrap_err(), @r#""my-database" is not a resource id: a policy takes the id that AWS gave (db-…, cluster-… or prx-… and letters and digits), not the name that you gave. Instance: DbiResourceId of `aws rds describe-db-instances`, Terraform aws_db_instance.resource_id. Aurora cluster: DbClusterResourceId, aws_rds_cluster.cluster_resource_id. Proxy: the last part of DBProxyArn, aws_db_proxy.arn (its id is the name)"#);
        insta::assert_snapshot!("db-*".parse::<ResourceId>().unwrap_err(), @r#""db-*" has a wildcard, which would allow logins to other databases: name one resource id"#);
        insta::assert_snapshot!("arn:aws:rds:eu-west-1:123456789012:db-proxy:prx-0a1b2c3d4e5f67890".parse::<ResourceId>().unwrap_err(), @r#""arn:aws:rds:eu-west-1:123456789012:db-proxy:prx-0a1b2c3d4e5f67890" is an ARN: give its resource id alone, the part that begins with db-, cluster- or prx-"#);
    }

    #[test]
    fn accounts() {
        assert_eq!("012345678901".parse::<AccountId>().unwrap().to_string(), "012345678901");
        for text in ["", "12345678901", "1234567890123", "1234-5678-90", "12345678901x", "١٢٣٤٥٦"] {
            assert!(text.parse::<AccountId>().is_err(), "{text}");
        }
        insta::assert_snapshot!("1234-5678-9012".parse::<AccountId>().unwrap_err(), @r#""1234-5678-9012" is not an AWS account: give its 12 digits, leading zeros included and without dashes (`aws sts get-caller-identity --query Account --output text` prints them)"#);
    }

    #[test]
    fn arns_that_are_refused() {
        let said = |text: &str| {
            let error = text.parse::<RdsDbArn>().unwrap_err();
            let cause = std::error::Error::source(&error);
            cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
        };
        let with = |partition: &str, region: &str, account: &str, id: &str, user: &str| {
            said(&format!("arn:{partition}:rds-db:{region}:{account}:dbuser:{id}/{user}"))
        };
        let account = "123456789012";
        insta::assert_snapshot!(said("arn:aws:rds:eu-west-1:123456789012:db:orders"), @r#""arn:aws:rds:eu-west-1:123456789012:db:orders" is not an ARN for rds-db:connect: write arn:<partition>:rds-db:<region>:<account>:dbuser:<resource-id>/<db-user>"#);
        insta::assert_snapshot!(with("aws", "cn-north-1", account, DB, "u"), @r#"the ARN's partition "aws" does not have region cn-north-1: write aws-cn"#);
        insta::assert_snapshot!(with("aws", "eu-west-1a", account, DB, "u"), @r#"the ARN's region is wrong: "eu-west-1a" is not a region: expected a name such as eu-west-1 (an availability zone has a letter at its end, a region has not)"#);
        insta::assert_snapshot!(with("aws", "*", account, DB, "u"), @r#"the ARN's region is wrong: "*" is not a region: expected a name such as eu-west-1 (an availability zone has a letter at its end, a region has not)"#);
        insta::assert_snapshot!(with("aws", "eu-west-1", "*", DB, "u"), @r#"the ARN's account is wrong: "*" is not an AWS account: give its 12 digits, leading zeros included and without dashes (`aws sts get-caller-identity --query Account --output text` prints them)"#);
        insta::assert_snapshot!(with("aws", "eu-west-1", account, "*", "u"), @r#"the ARN's resource id is wrong: "*" has a wildcard, which would allow logins to other databases: name one resource id"#);
        insta::assert_snapshot!(with("aws", "eu-west-1", account, DB, "*"), @r#"IAM would read the database user "*" as a pattern (*, ? or ${…}) and allow other users too: name one user without these characters"#);
        insta::assert_snapshot!(with("aws", "eu-west-1", account, DB, ""), @"the ARN's database user is wrong: database user is empty: name the user to log in as");
        insta::assert_snapshot!(with("aws", "eu-west-1", account, DB, "${aws:username}"), @r#"IAM would read the database user "${aws:username}" as a pattern (*, ? or ${…}) and allow other users too: name one user without these characters"#);
        for text in [
            "",
            "arn",
            "arn:aws:rds-db",
            "arn:aws:s3:::bucket",
            &format!("arn:aws:rds-db:eu-west-1:{account}:dbuser:{DB}"),
        ] {
            assert!(matches!(text.parse::<RdsDbArn>(), Err(RdsDbArnError::Shape { .. })), "{text}");
        }
    }
}
