//! The ARN of a database user for `rds-db:connect`, and its parts: account id, and resource id of an instance,
//! cluster or proxy. Each is validated when parsed.
//!
//! Source: "Creating and using an IAM policy for IAM database access" in the Amazon RDS user guide.

use std::fmt;
use std::str::FromStr;

use rds_iam_token::{DbUser, DbUserError, Region, RegionError};

/// The minimum length after the prefix. AWS documents 17 (`prx-…`) and more; a chosen name is nearly always shorter.
const SHORTEST_TAIL: usize = 16;

/// The kind of resource of a [`ResourceId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// The id that AWS gave a database, cluster or proxy. It is *not* the name that an operator chose.
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
    /// Returns the id with its prefix.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the kind of resource.
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

/// The error of a text that is not a resource id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceIdError {
    /// The text is a name, or anything else.
    #[error(
        "{given:?} is not a resource id: a policy takes the id that AWS gave (db-…, cluster-… or prx-… and letters and \
         digits), not the name that you gave. Instance: DbiResourceId of `aws rds \
         describe-db-instances`, Terraform aws_db_instance.resource_id. Aurora cluster: \
         DbClusterResourceId, aws_rds_cluster.cluster_resource_id. Proxy: the last part of DBProxyArn, \
         aws_db_proxy.arn (its id is the name)"
    )]
    Name {
        /// The given text.
        given: String,
    },
    /// The text is a whole ARN.
    #[error("{given:?} is an ARN: use only its resource id, the part that starts with db-, cluster- or prx-")]
    Arn {
        /// The given text.
        given: String,
    },
    /// The text has a wildcard.
    #[error("{given:?} has a wildcard, which would allow logins to other databases: use one resource id")]
    Wildcard {
        /// The given text.
        given: String,
    },
}

/// An AWS account id: 12 digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(String);

impl AccountId {
    /// Returns the 12 digits.
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

/// The error of a text that is not an account id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not an AWS account: give its 12 digits, leading zeros included and without dashes \
     (`aws sts get-caller-identity --query Account --output text` prints them)"
)]
#[non_exhaustive]
pub struct AccountIdError {
    /// The given text.
    pub given: String,
}

/// The ARN of one user of one database, cluster or proxy, for `rds-db:connect`.
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
    /// Creates an ARN from its parts; the partition follows from the region.
    ///
    /// # Errors
    /// Returns an error if IAM would read the user name as a pattern (`*`, `?`, `${`) and allow other users too.
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

    /// Returns the region's partition.
    pub fn partition(&self) -> &'static str {
        self.region.partition()
    }

    /// Returns the region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Returns the account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// Returns the id of the database, cluster or proxy.
    pub fn resource(&self) -> &ResourceId {
        &self.resource
    }

    /// Returns the database user.
    pub fn user(&self) -> &DbUser {
        &self.user
    }
}

/// Returns whether IAM would read a user name in an ARN as a pattern.
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

/// The error of a text that is not an ARN for `rds-db:connect`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RdsDbArnError {
    /// The text has another form.
    #[error(
        "{given:?} is not an ARN for rds-db:connect: write \
         arn:<partition>:rds-db:<region>:<account>:dbuser:<resource-id>/<db-user>"
    )]
    Shape {
        /// The given text.
        given: String,
    },
    /// The region is not in the partition.
    #[error("the ARN's partition {given:?} does not have region {region}: write {}", region.partition())]
    Partition {
        /// The given partition.
        given: String,
        /// The region, which is in another partition.
        region: Region,
    },
    /// The user name is a pattern.
    #[error(
        "IAM would read the database user {given:?} as a pattern (*, ? or ${{…}}) and allow other users too: \
         use one user without these characters"
    )]
    UserPattern {
        /// The given user.
        given: String,
    },
    /// The region is invalid.
    #[error("the ARN's region is wrong")]
    Region(#[from] RegionError),
    /// The account is invalid.
    #[error("the ARN's account is wrong")]
    Account(#[from] AccountIdError),
    /// The resource id is invalid.
    #[error("the ARN's resource id is wrong")]
    Resource(#[from] ResourceIdError),
    /// The database user is invalid.
    #[error("the ARN's database user is wrong")]
    User(#[from] DbUserError),
}

#[cfg(test)]
mod tests;
