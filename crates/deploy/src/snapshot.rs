//! A snapshot of the database, taken before an operation that can't be undone.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_rds::Client;
use aws_sdk_rds::error::ProvideErrorMetadata as _;
use aws_sdk_rds::types::DbSnapshot;
use rds_iam_token::Clock;

use crate::aws::CallError;
use crate::aws::poll::Poll;

/// The first snapshot of a database copies all data: some minutes per 100 GiB. Shorter than a role's session.
const POLL: Poll = Poll { interval: Duration::from_secs(10), timeout: Duration::from_secs(100 * 60) };

/// A snapshot that can be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The snapshot's ARN.
    pub arn: String,
    /// Whether it existed before the call.
    pub existed: bool,
}

/// Creates a snapshot of a database instance and waits until it can be restored. An existing snapshot of that name and
/// instance is returned as it is.
///
/// # Errors
/// Returns an error if a call fails, the name belongs to a snapshot of another instance, or the snapshot fails
/// or times out.
pub async fn create_snapshot(
    aws: &SdkConfig,
    clock: &Clock,
    instance: &str,
    name: &str,
) -> Result<Snapshot, SnapshotError> {
    let client = Client::new(aws);
    let found = find_snapshot(&client, name).await?;
    let existed = found.is_some();
    match found.and_then(|snapshot| snapshot.db_instance_identifier) {
        Some(other) if other != instance => {
            return Err(SnapshotError::OtherInstance { name: name.to_owned(), instance: other });
        }
        _ if existed => {}
        _ => {
            let create = client.create_db_snapshot().db_instance_identifier(instance);
            let operation = format!("create the snapshot {name} of {instance}");
            let call = create.db_snapshot_identifier(name).send();
            call.await.map_err(CallError::from_sdk(operation, "rds:CreateDBSnapshot"))?;
        }
    }
    let done = POLL.until(clock, async || {
        let Some(snapshot) = find_snapshot(&client, name).await? else { return Ok(None) };
        let status = snapshot.status.unwrap_or_default();
        Ok(match status.as_str() {
            "available" => Some(Ok(snapshot.db_snapshot_arn.unwrap_or_default())),
            "creating" | "pending" => None,
            // failed, deleting, …: none of them becomes a snapshot that can be restored.
            _ => Some(Err(status)),
        })
    });
    let name = name.to_owned();
    match done.await? {
        Some(Ok(arn)) => Ok(Snapshot { arn, existed }),
        Some(Err(status)) => Err(SnapshotError::Failed { name, status }),
        None => Err(SnapshotError::Timeout { name, minutes: POLL.timeout.as_secs() / 60 }),
    }
}

async fn find_snapshot(client: &Client, name: &str) -> Result<Option<DbSnapshot>, CallError> {
    match client.describe_db_snapshots().db_snapshot_identifier(name).send().await {
        Ok(answer) => Ok(answer.db_snapshots.unwrap_or_default().into_iter().next()),
        Err(error) if error.code() == Some("DBSnapshotNotFound") => Ok(None),
        Err(error) => {
            Err(CallError::from_sdk(format!("read the snapshot {name}"), "rds:DescribeDBSnapshots")(error))
        }
    }
}

/// The snapshot was not created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Another instance has a snapshot of that name.
    #[error("the snapshot {name} already exists, of the database {instance}: choose another name")]
    OtherInstance {
        /// The snapshot's name.
        name: String,
        /// The snapshot's instance.
        instance: String,
    },
    /// The snapshot is in a state that it does not leave by itself.
    #[error("the snapshot {name} has the status {status}: delete it and retry")]
    Failed {
        /// The snapshot's name.
        name: String,
        /// AWS's status.
        status: String,
    },
    /// The snapshot is not finished in time.
    #[error(
        "the snapshot {name} is not finished after {minutes} minutes: run the same command again to keep waiting"
    )]
    Timeout {
        /// The snapshot's name.
        name: String,
        /// The time waited.
        minutes: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::test_client::{TestClient, clock};

    const NOT_FOUND: &str =
        "<ErrorResponse><Error><Code>DBSnapshotNotFound</Code><Message>x</Message></Error></ErrorResponse>";

    const CREATED: &str = "<CreateDBSnapshotResponse><CreateDBSnapshotResult/></CreateDBSnapshotResponse>";

    async fn create(aws: &TestClient) -> Result<Snapshot, SnapshotError> {
        create_snapshot(&aws.config(), &clock(), "orders-dev", "final").await
    }

    fn snapshot(status: &str, instance: &str) -> String {
        format!(
            "<DescribeDBSnapshotsResponse><DescribeDBSnapshotsResult><DBSnapshots><DBSnapshot>\
             <DBSnapshotIdentifier>final</DBSnapshotIdentifier><DBInstanceIdentifier>{instance}</DBInstanceIdentifier>\
             <Status>{status}</Status><DBSnapshotArn>arn:final</DBSnapshotArn></DBSnapshot></DBSnapshots>\
             </DescribeDBSnapshotsResult></DescribeDBSnapshotsResponse>"
        )
    }

    #[tokio::test]
    async fn a_snapshot_is_created_once() {
        let aws = TestClient::new();
        aws.on("DescribeDBSnapshots", 404, NOT_FOUND)
            .on("CreateDBSnapshot", 200, CREATED)
            .on("DescribeDBSnapshots", 200, snapshot("creating", "orders-dev"))
            // The connection to AWS is lost for a moment.
            .on("DescribeDBSnapshots", 0, "")
            .on("DescribeDBSnapshots", 200, snapshot("available", "orders-dev"));
        let expected = Snapshot { arn: "arn:final".to_owned(), existed: false };
        assert_eq!(create(&aws).await.unwrap(), expected);
        let requests = aws.requests("CreateDBSnapshot");
        assert!(
            requests[0].contains("DBSnapshotIdentifier=final&DBInstanceIdentifier=orders-dev"),
            "{requests:?}"
        );
        let again = create(&aws).await.unwrap();
        assert_eq!(again, Snapshot { existed: true, ..expected });
        assert_eq!(aws.requests("CreateDBSnapshot").len(), 1);
    }

    #[tokio::test]
    async fn errors_name_the_fix() {
        let mut errors = Vec::new();
        for answer in [
            snapshot("available", "other"),
            snapshot("failed", "orders-dev"),
            snapshot("creating", "orders-dev"),
        ] {
            let aws = TestClient::new();
            aws.on("DescribeDBSnapshots", 200, answer);
            errors.push(create(&aws).await.unwrap_err().to_string());
            assert_eq!(aws.requests("CreateDBSnapshot").len(), 0);
        }
        insta::assert_snapshot!(errors.join("\n"), @"
        the snapshot final already exists, of the database other: choose another name
        the snapshot final has the status failed: delete it and retry
        the snapshot final is not finished after 100 minutes: run the same command again to keep waiting
        ");
    }
}
