//! The settings of one bootstrap run: declaration, mode, connection and AWS clients. The program and the Lambda function
//! create them.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use rds_iam_infra::RdsConf;
use rds_iam_report::check_endpoint_urls;
use rds_iam_token::Clock;

use crate::{BootstrapError, Declaration, Mode};

/// The time limit for Secrets Manager, all attempts together.
const SECRET_TIMEOUT: Duration = Duration::from_secs(20);

/// Everything that a run depends on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The deployment.
    pub conf: RdsConf,
    /// The users and tables that should exist there.
    pub declaration: Declaration,
    /// The mode.
    pub mode: Mode,
    /// The AWS configuration: the caller's credentials, and the endpoint of Secrets Manager.
    pub aws: SdkConfig,
    /// The clock.
    pub clock: Clock,
    /// The time limit of the run; `None` is no limit. The changes made until then stay, and the next run makes the
    /// rest.
    pub time_limit: Option<Duration>,
}

impl Settings {
    /// Creates settings with AWS's default credential chain, the region of `rds.conf` and the system's clock.
    ///
    /// # Errors
    /// Returns [`BootstrapError::EndpointUrl`] if `AWS_ENDPOINT_URL`, one of its forms for a single service, or
    /// `endpoint_url` of the profile is empty.
    pub async fn load(conf: RdsConf, declaration: Declaration, mode: Mode) -> Result<Self, BootstrapError> {
        let timeouts = TimeoutConfig::builder().operation_timeout(SECRET_TIMEOUT).build();
        let aws = aws_config::defaults(BehaviorVersion::latest())
            .region(aws_config::Region::new(conf.region.to_string()))
            .timeout_config(timeouts)
            .load()
            .await;
        check_endpoint_urls(aws.endpoint_url())?;
        Ok(Self { conf, declaration, mode, aws, clock: Clock::system(), time_limit: None })
    }
}
