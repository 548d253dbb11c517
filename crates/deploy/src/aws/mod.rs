//! Shared parts of all AWS control-plane calls: configuration, errors and polling.

mod error;
pub(crate) mod poll;
#[cfg(test)]
pub(crate) mod test_client;

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use rds_iam_token::Region;

pub use error::{CallError, CallErrorKind};

/// The timeout of one call, retries included.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Loads the AWS configuration of a region, with the default credentials chain. `AWS_ENDPOINT_URL` replaces AWS's
/// endpoints.
pub async fn connect(region: &Region) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(aws_config::Region::new(region.to_string()))
        .timeout_config(TimeoutConfig::builder().operation_timeout(TIMEOUT).build())
        .load()
        .await
}
