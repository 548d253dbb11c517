//! Settings from Parameter Store, in one API call.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_ssm::Client;
use rds_iam_report::{ErrorReport, check_endpoint_urls};
use rds_iam_token::{is_pipe, shared_files};

use super::error::SettingError;
use super::setting::Setting;
use super::sources::Layer;

/// The time limit of the call, credentials and retries included.
const TIMEOUT: Duration = Duration::from_secs(15);

const PREFIX: &str = "RDS_IAM_SSM_PREFIX";

/// Checks the text of the prefix.
pub(super) fn check_prefix(prefix: &str) -> Result<(), SettingError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/_.-".contains(c);
    if !prefix.starts_with('/') || prefix.ends_with('/') || !prefix.chars().all(allowed) {
        let cause =
            "it is not a prefix of parameter names: write one such as /dev/database, without a / at the end";
        return Err(SettingError::new(PREFIX, "environment", cause));
    }
    Ok(())
}

/// Reads all parameters under `prefix`. Missing ones are left out; the caller reports a missing setting. `region`
/// is the region of Parameter Store; without one, the AWS profile or the instance must name it.
pub(super) async fn fetch(prefix: &str, region: Option<String>) -> Result<Layer, SettingError> {
    let failed = |cause: String| SettingError::new(PREFIX, format!("Parameter Store, {prefix}"), cause);
    if let Some(pipe) = shared_files().into_iter().find(|file| is_pipe(file)) {
        return Err(failed(format!(
            "{} is a pipe: put a file there, which can be read again",
            pipe.display()
        )));
    }
    let names = Setting::ALL.map(|setting| format!("{prefix}/{}", setting.parameter()));
    let attempt = async {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .timeout_config(TimeoutConfig::builder().operation_timeout(TIMEOUT).build());
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        let aws = loader.load().await;
        check_endpoint_urls(aws.endpoint_url()).map_err(|error| failed(error.to_string()))?;
        if aws.region().is_none() {
            return Err(failed("no region is set: set AWS_REGION".into()));
        }
        let call = Client::new(&aws).get_parameters().set_names(Some(names.to_vec())).with_decryption(true);
        call.send().await.map_err(|error| {
            failed(format!(
                "{}; this program's role needs ssm:GetParameters on them, and a network path to the service",
                ErrorReport(&error)
            ))
        })
    };
    let answer = tokio::time::timeout(TIMEOUT, attempt).await.unwrap_or_else(|_| {
        Err(failed(format!(
            "no answer in {} s: check the source of the credentials and the network path to it",
            TIMEOUT.as_secs()
        )))
    })?;
    let found: BTreeMap<_, _> =
        answer.parameters.unwrap_or_default().into_iter().filter_map(|p| p.name.zip(p.value)).collect();
    Ok(Layer::from_parameters(prefix, &found))
}
