//! What all calls of AWS's control plane share: how they are made, why they fail, and how they wait.

mod cause;
#[cfg(test)]
pub(crate) mod test_client;
pub(crate) mod wait;

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use rds_iam_token::Region;

pub use cause::{CallError, Cause};

/// How long one call may take, retries included.
const TIMEOUT: Duration = Duration::from_secs(30);

/// AWS in a region, by the default chain of credentials; `AWS_ENDPOINT_URL` says where it is, if not on AWS.
pub async fn connect(region: &Region) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(aws_config::Region::new(region.to_string()))
        .timeout_config(TimeoutConfig::builder().operation_timeout(TIMEOUT).build())
        .load()
        .await
}
