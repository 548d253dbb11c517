//! Shared parts of all AWS control-plane calls: configuration, errors and polling.

mod error;
pub(crate) mod poll;
#[cfg(test)]
pub(crate) mod test_client;

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use rds_iam_report::{EmptyEndpointUrl, check_endpoint_urls};
use rds_iam_token::Region;

pub use error::{CallError, CallErrorKind};

/// The timeout of one call, retries included.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Loads the AWS configuration of a region, with the default credentials chain. `AWS_ENDPOINT_URL` replaces AWS's
/// endpoints.
///
/// # Errors
/// Returns an error if `AWS_ENDPOINT_URL`, one of its forms for a single service, or `endpoint_url` of the profile is
/// empty.
pub async fn connect(region: &Region) -> Result<SdkConfig, EmptyEndpointUrl> {
    let aws = aws_config::defaults(BehaviorVersion::latest())
        .region(aws_config::Region::new(region.to_string()))
        .timeout_config(TimeoutConfig::builder().operation_timeout(TIMEOUT).build());
    let aws = aws.load().await;
    check_endpoint_urls(aws.endpoint_url())?;
    Ok(aws)
}
