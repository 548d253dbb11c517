//! The time of messages, and random ids.

use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

/// Returns the creation time of a message: ms since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "receivers check that there is a time, and decide nothing by it"
)]
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // 0 would make the message invalid.
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Returns the id of a message. It is no secret.
pub(crate) fn random_id() -> Uuid {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid()
}
