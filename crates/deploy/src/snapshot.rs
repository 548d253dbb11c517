//! A snapshot of the database, taken before something that can't be undone.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_rds::Client;
use aws_sdk_rds::error::ProvideErrorMetadata as _;
use aws_sdk_rds::types::DbSnapshot;
use rds_iam_token::Clock;

use crate::aws::CallError;
use crate::aws::wait::{Poll, until};

/// The first snapshot of a database copies all of it: some minutes for each 100 GiB. Less than a session of a role lasts.
const POLL: Poll = Poll { interval: Duration::from_secs(10), timeout: Duration::from_secs(100 * 60) };

/// Takes a snapshot of an instance, and waits until it can be restored.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the call has no other arguments here, and callers build it")]
pub struct TakeSnapshot {
    /// The instance's identifier.
    pub instance: String,
    /// The name that the snapshot gets.
    pub name: String,
}

/// A snapshot that can be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its ARN.
    pub arn: String,
    /// Whether it was there before.
    pub was_there: bool,
}

impl TakeSnapshot {
    /// Takes it. One of that name of the same instance counts as taken.
    ///
    /// # Errors
    /// Where a call fails, the name is another instance's, or the snapshot does not get done.
    pub async fn run(&self, aws: &SdkConfig, clock: &Clock) -> Result<Snapshot, SnapshotError> {
        let client = Client::new(aws);
        let found = self.look(&client).await?;
        let was_there = found.is_some();
        match found.and_then(|snapshot| snapshot.db_instance_identifier) {
            Some(instance) if instance != self.instance => {
                return Err(SnapshotError::OtherInstance { name: self.name.clone(), instance });
            }
            _ if was_there => {}
            _ => {
                let create = client.create_db_snapshot().db_instance_identifier(&self.instance);
                let doing = format!("take the snapshot {} of {}", self.name, self.instance);
                let call = create.db_snapshot_identifier(&self.name).send();
                call.await.map_err(CallError::from_sdk(doing, "rds:CreateDBSnapshot"))?;
            }
        }
        let done = until(clock, POLL, async || {
            let Some(snapshot) = self.look(&client).await? else { return Ok(None) };
            let status = snapshot.status.unwrap_or_default();
            Ok(match status.as_str() {
                "available" => Some(Ok(snapshot.db_snapshot_arn.unwrap_or_default())),
                "creating" | "pending" => None,
                // failed, deleting, …: none of them becomes a snapshot that can be restored.
                _ => Some(Err(status)),
            })
        });
        let name = self.name.clone();
        match done.await? {
            Some(Ok(arn)) => Ok(Snapshot { arn, was_there }),
            Some(Err(status)) => Err(SnapshotError::Ended { name, status }),
            None => Err(SnapshotError::Time { name, minutes: POLL.timeout.as_secs() / 60 }),
        }
    }

    async fn look(&self, client: &Client) -> Result<Option<DbSnapshot>, CallError> {
        let call = client.describe_db_snapshots().db_snapshot_identifier(&self.name).send();
        match call.await {
            Ok(answer) => Ok(answer.db_snapshots.unwrap_or_default().into_iter().next()),
            Err(error) if error.code() == Some("DBSnapshotNotFound") => Ok(None),
            Err(error) => Err(CallError::from_sdk(
                format!("look for the snapshot {}", self.name),
                "rds:DescribeDBSnapshots",
            )(error)),
        }
    }
}

/// There is no snapshot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The name is taken.
    #[error("there is a snapshot {name} already, of the database {instance}: choose another name")]
    OtherInstance {
        /// The snapshot's name.
        name: String,
        /// The instance that it is of.
        instance: String,
    },
    /// It will not get done.
    #[error("the snapshot {name} is {status}: delete it where it is still there, and run this again")]
    Ended {
        /// The snapshot's name.
        name: String,
        /// Its status, as AWS names it.
        status: String,
    },
    /// It takes longer than this program waits.
    #[error(
        "the snapshot {name} is not done after {minutes} minutes: run this again, which goes on waiting for it"
    )]
    Time {
        /// The snapshot's name.
        name: String,
        /// How long it was waited for.
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

    fn snapshot() -> TakeSnapshot {
        TakeSnapshot { instance: "orders-dev".to_owned(), name: "final".to_owned() }
    }

    fn is(status: &str, instance: &str) -> String {
        format!(
            "<DescribeDBSnapshotsResponse><DescribeDBSnapshotsResult><DBSnapshots><DBSnapshot>\
             <DBSnapshotIdentifier>final</DBSnapshotIdentifier><DBInstanceIdentifier>{instance}</DBInstanceIdentifier>\
             <Status>{status}</Status><DBSnapshotArn>arn:final</DBSnapshotArn></DBSnapshot></DBSnapshots>\
             </DescribeDBSnapshotsResult></DescribeDBSnapshotsResponse>"
        )
    }

    #[tokio::test]
    async fn it_is_taken_once() {
        let aws = TestClient::new();
        aws.on("DescribeDBSnapshots", 404, NOT_FOUND)
            .on("CreateDBSnapshot", 200, CREATED)
            .on("DescribeDBSnapshots", 200, is("creating", "orders-dev"))
            // The way to AWS is lost for a moment.
            .on("DescribeDBSnapshots", 0, "")
            .on("DescribeDBSnapshots", 200, is("available", "orders-dev"));
        let expected = Snapshot { arn: "arn:final".to_owned(), was_there: false };
        assert_eq!(snapshot().run(&aws.config(), &clock()).await.unwrap(), expected);
        let asked = aws.asked("CreateDBSnapshot");
        assert!(asked[0].contains("DBSnapshotIdentifier=final&DBInstanceIdentifier=orders-dev"), "{asked:?}");
        let again = snapshot().run(&aws.config(), &clock()).await.unwrap();
        assert_eq!(again, Snapshot { was_there: true, ..expected });
        assert_eq!(aws.asked("CreateDBSnapshot").len(), 1);
    }

    #[tokio::test]
    async fn failures_say_what_to_do() {
        let mut said = Vec::new();
        for answer in [is("available", "other"), is("failed", "orders-dev"), is("creating", "orders-dev")] {
            let aws = TestClient::new();
            aws.on("DescribeDBSnapshots", 200, answer);
            said.push(snapshot().run(&aws.config(), &clock()).await.unwrap_err().to_string());
            assert_eq!(aws.asked("CreateDBSnapshot").len(), 0);
        }
        insta::assert_snapshot!(said.join("\n"), @"
        there is a snapshot final already, of the database other: choose another name
        the snapshot final is failed: delete it where it is still there, and run this again
        the snapshot final is not done after 100 minutes: run this again, which goes on waiting for it
        ");
    }
}
