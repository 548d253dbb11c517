//! A snapshot of the database, taken before an operation that can't be undone.

mod database;
mod error;
#[cfg(test)]
mod tests;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_rds::Client;
use rds_iam_token::Clock;

use crate::PROGRESS;
use crate::aws::poll::Poll;

pub use database::Database;
use database::Description;
pub use error::SnapshotError;

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

/// Creates a snapshot of an instance or a cluster and waits until it can be restored. An existing snapshot of that name
/// and database is returned as it is. Its tags are those of the database, where that copies them to snapshots.
///
/// # Errors
/// Returns an error if a call fails, the name belongs to a snapshot of another database, or the snapshot fails, is
/// deleted or times out.
pub async fn create_snapshot(
    aws: &SdkConfig,
    clock: &Clock,
    database: &Database,
    name: &str,
) -> Result<Snapshot, SnapshotError> {
    let client = Client::new(aws);
    let (existed, mut is_observed) = match database.describe_snapshot(&client, name).await? {
        Some(_) => (true, true),
        None => (database.request_snapshot(&client, name).await?, false),
    };
    let mut reported = None;
    let done = POLL.until(clock, async || {
        let found = database.describe_snapshot(&client, name).await?;
        Ok(match found {
            Some(found) => {
                is_observed = true;
                report(name, &found, &mut reported);
                state(found, database, name)
            }
            // A new one can be absent from the first answers.
            None => is_observed.then(|| Err(SnapshotError::Deleted { name: name.to_owned() })),
        })
    });
    match done.await? {
        Some(Ok(arn)) => Ok(Snapshot { arn, existed }),
        Some(Err(error)) => Err(error),
        None => Err(SnapshotError::Timeout { name: name.to_owned(), minutes: POLL.timeout.as_secs() / 60 }),
    }
}

/// Returns the ARN of a finished snapshot, or the error of one that never will be; `None` while it is being created.
fn state(found: Description, database: &Database, name: &str) -> Option<Result<String, SnapshotError>> {
    let name = name.to_owned();
    // RDS stores identifiers in lower case.
    if !found.database.eq_ignore_ascii_case(database.identifier()) {
        return Some(Err(SnapshotError::OtherDatabase { name, database: found.database }));
    }
    match found.status.as_str() {
        "available" => Some(Ok(found.arn)),
        "creating" | "pending" => None,
        // failed, deleting, …: none of them becomes a snapshot that can be restored.
        _ => Some(Err(SnapshotError::Failed { name, status: found.status })),
    }
}

/// Reports the progress of a snapshot, unless it was the last one reported.
fn report(name: &str, found: &Description, reported: &mut Option<i32>) {
    if found.status == "creating" && *reported != Some(found.percent) {
        tracing::info!(target: PROGRESS, "snapshot {name}: {} %", found.percent);
        *reported = Some(found.percent);
    }
}
