//! The RDS API's calls about snapshots, which differ between instances and clusters.

use aws_sdk_rds::Client;
use aws_sdk_rds::error::ProvideErrorMetadata as _;

use crate::aws::CallError;

/// A database of which RDS can take a snapshot, by its identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// An instance of its own.
    Instance(String),
    /// An Aurora cluster. Its instances have no snapshots.
    Cluster(String),
}

/// The properties of a snapshot that both kinds have.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) arn: String,
    /// The identifier of its database.
    pub(super) database: String,
    pub(super) status: String,
    pub(super) percent: i32,
}

impl Database {
    /// Returns the identifier of the instance or cluster.
    #[must_use]
    pub fn identifier(&self) -> &str {
        let (Self::Instance(identifier) | Self::Cluster(identifier)) = self;
        identifier
    }

    /// Returns the snapshot of that name; `None` if there is none.
    pub(super) async fn describe_snapshot(
        &self,
        client: &Client,
        name: &str,
    ) -> Result<Option<Description>, CallError> {
        let operation = || format!("read the snapshot {name}");
        match self {
            Self::Instance(_) => {
                match client.describe_db_snapshots().db_snapshot_identifier(name).send().await {
                    Ok(answer) => {
                        Ok(answer.db_snapshots.unwrap_or_default().into_iter().next().map(|found| {
                            Description {
                                arn: found.db_snapshot_arn.unwrap_or_default(),
                                database: found.db_instance_identifier.unwrap_or_default(),
                                status: found.status.unwrap_or_default(),
                                percent: found.percent_progress.unwrap_or_default(),
                            }
                        }))
                    }
                    Err(error) if error.code() == Some("DBSnapshotNotFound") => Ok(None),
                    Err(error) => Err(CallError::from_sdk(operation(), "rds:DescribeDBSnapshots")(error)),
                }
            }
            Self::Cluster(_) => {
                let describe = client.describe_db_cluster_snapshots().db_cluster_snapshot_identifier(name);
                match describe.send().await {
                    Ok(answer) => {
                        let found = answer.db_cluster_snapshots.unwrap_or_default().into_iter().next();
                        Ok(found.map(|found| Description {
                            arn: found.db_cluster_snapshot_arn.unwrap_or_default(),
                            database: found.db_cluster_identifier.unwrap_or_default(),
                            status: found.status.unwrap_or_default(),
                            percent: found.percent_progress.unwrap_or_default(),
                        }))
                    }
                    Err(error) if error.code() == Some("DBClusterSnapshotNotFoundFault") => Ok(None),
                    Err(error) => {
                        Err(CallError::from_sdk(operation(), "rds:DescribeDBClusterSnapshots")(error))
                    }
                }
            }
        }
    }

    /// Requests a snapshot. Returns whether one of that name exists, such as that of an attempt without an answer.
    pub(super) async fn request_snapshot(&self, client: &Client, name: &str) -> Result<bool, CallError> {
        let operation = || format!("create the snapshot {name} of {}", self.identifier());
        match self {
            Self::Instance(instance) => {
                let create = client.create_db_snapshot().db_instance_identifier(instance);
                match create.db_snapshot_identifier(name).send().await {
                    Ok(_) => Ok(false),
                    Err(error) if error.code() == Some("DBSnapshotAlreadyExists") => Ok(true),
                    Err(error) => Err(CallError::from_sdk(operation(), "rds:CreateDBSnapshot")(error)),
                }
            }
            Self::Cluster(cluster) => {
                let create = client.create_db_cluster_snapshot().db_cluster_identifier(cluster);
                match create.db_cluster_snapshot_identifier(name).send().await {
                    Ok(_) => Ok(false),
                    Err(error) if error.code() == Some("DBClusterSnapshotAlreadyExistsFault") => Ok(true),
                    Err(error) => Err(CallError::from_sdk(operation(), "rds:CreateDBClusterSnapshot")(error)),
                }
            }
        }
    }
}
