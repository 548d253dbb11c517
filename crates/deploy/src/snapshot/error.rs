//! The error of a snapshot.

use crate::aws::CallError;

/// The snapshot was not created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Another database has a snapshot of that name.
    #[error("the snapshot {name} already exists, of the database {database}: choose another name")]
    OtherDatabase {
        /// The snapshot's name.
        name: String,
        /// The identifier of the snapshot's instance or cluster.
        database: String,
    },
    /// The snapshot is in a state that it does not leave by itself.
    #[error("the snapshot {name} has the status {status}: delete it and retry")]
    Failed {
        /// The snapshot's name.
        name: String,
        /// AWS's status.
        status: String,
    },
    /// The snapshot was deleted before it was finished.
    #[error("the snapshot {name} was deleted while it was being created: retry")]
    Deleted {
        /// The snapshot's name.
        name: String,
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
