//! `--profile`, `--assume-role` and `--external-id`: the AWS credentials of a command.
//!
//! Keys from the environment or a file need no HTTP client, which is created at the first call of AWS.

use std::env;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use rds_iam_deploy::aws;
use rds_iam_report::check_endpoint_urls;
use rds_iam_token::{Region, RegionError};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Failure;
use crate::profile::MissingProfile;

/// The name of the sessions of `--assume-role`, which CloudTrail records.
const SESSION_NAME: &str = "rds-iam";

/// The options of a command that uses AWS credentials.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "AWS credentials")]
pub(crate) struct CredentialsOptions {
    /// Profile of the shared AWS files; without it, the AWS SDK's default chain
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,

    /// Role to assume with these credentials, such as arn:aws:iam::123456789012:role/NAME
    #[arg(long, value_name = "ARN", value_parser = role)]
    assume_role: Option<String>,

    /// External id that the role's trust policy requires
    #[arg(long, value_name = "ID", requires = "assume_role")]
    external_id: Option<String>,
}

fn role(text: &str) -> Result<String, &'static str> {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, "iam", "", account, resource]
            if account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty()) =>
        {
            Ok(text.to_owned())
        }
        _ => Err("expected the ARN of a role, such as arn:aws:iam::123456789012:role/NAME"),
    }
}

impl CredentialsOptions {
    /// Returns the options with this profile, if they name none.
    pub(crate) fn or_profile(mut self, profile: Option<String>) -> Self {
        self.profile = self.profile.or(profile);
        self
    }

    /// Sets the profile and the role of a pool's settings, whose credentials are read again when their files change.
    pub(crate) fn apply<DB: rds_iam_sqlx::Engine>(
        &self,
        mut builder: rds_iam_sqlx::Builder<DB>,
    ) -> Result<rds_iam_sqlx::Builder<DB>, Failure> {
        if let Some(profile) = &self.profile {
            builder = builder.profile(profile);
        } else if self.assume_role.is_none()
            && let Some(keys) = keys_in_environment()?
            && keys.expiry().is_some()
        {
            builder = builder.credentials(keys);
        }
        if let Some(role) = &self.assume_role {
            let mut role = rds_iam_sqlx::AssumeRole::new(role);
            if let Some(id) = &self.external_id {
                role = role.external_id(id);
            }
            builder = builder.assume_role(role);
        }
        Ok(builder)
    }

    /// Checks that the profile of the options exists.
    pub(crate) async fn check_profile(&self) -> Result<(), MissingProfile> {
        let Some(profile) = self.profile.as_deref() else { return Ok(()) };
        MissingProfile::find(Some(profile)).await.map_or(Ok(()), Err)
    }

    /// Returns the provider of the credentials; `region` is that of AWS's calls, if there are any.
    pub(crate) async fn provider(&self, region: &Region) -> Result<SharedCredentialsProvider, Failure> {
        // The SDK panics in a call to an empty endpoint.
        check_endpoint_urls(None)?;
        self.check_profile().await?;
        let base = self.base(region).await?;
        let Some(role) = &self.assume_role else { return Ok(base) };
        let aws = aws_config::defaults(BehaviorVersion::latest())
            .region(in_sdk(region))
            .credentials_provider(base)
            .load()
            .await;
        check_endpoint_urls(aws.endpoint_url())?;
        let mut provider = AssumeRoleProvider::builder(role).configure(&aws).session_name(SESSION_NAME);
        if let Some(id) = &self.external_id {
            provider = provider.external_id(id);
        }
        Ok(SharedCredentialsProvider::new(provider.build().await))
    }

    /// Returns the provider of the credentials in variables and files, for a command without the network. It does not
    /// assume the role.
    pub(crate) async fn local(&self) -> Result<SharedCredentialsProvider, Failure> {
        self.check_profile().await?;
        let files = ProfileFileCredentialsProvider::builder();
        if let Some(profile) = &self.profile {
            return Ok(SharedCredentialsProvider::new(files.profile_name(profile).build()));
        }
        if let Some(keys) = keys_in_environment()? {
            return Ok(SharedCredentialsProvider::new(keys));
        }
        match MissingProfile::find(None).await {
            Some(missing) => Err(missing.into()),
            None => Ok(SharedCredentialsProvider::new(files.build())),
        }
    }

    async fn base(&self, region: &Region) -> Result<SharedCredentialsProvider, Failure> {
        let config = ProviderConfig::without_region().with_region(Some(in_sdk(region)));
        let files = ProfileFileCredentialsProvider::builder().configure(&config);
        if let Some(profile) = &self.profile {
            // The default chain would prefer keys in the environment, and continue to the machine's role if there is no
            // such profile.
            return Ok(SharedCredentialsProvider::new(files.profile_name(profile).build()));
        }
        if let Some(keys) = keys_in_environment()? {
            return Ok(SharedCredentialsProvider::new(keys));
        }
        let chain = CredentialsProviderChain::first_try("Profile", files.build());
        Ok(SharedCredentialsProvider::new(chain.or_else("Default", DefaultChain(in_sdk(region)))))
    }

    /// Returns the configuration of AWS's clients in a region, with these credentials.
    pub(crate) async fn connect(&self, region: &Region) -> Result<SdkConfig, Failure> {
        let aws = aws::connect(region).await?;
        if self.profile.is_none() && self.assume_role.is_none() {
            return Ok(aws);
        }
        Ok(aws.into_builder().credentials_provider(self.provider(region).await?).build())
    }

    /// Returns the region of the environment or the profile, as the AWS CLI does.
    pub(crate) async fn region(&self) -> Result<Option<Region>, Failure> {
        self.check_profile().await?;
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            if let Some(value) = variable(name) {
                return Ok(Some(value.parse().map_err(|error: RegionError| format!("{name}: {error}"))?));
            }
        }
        let mut provider = ProfileFileRegionProvider::builder();
        if let Some(profile) = &self.profile {
            provider = provider.profile_name(profile);
        }
        let found = provider.build().region().await;
        let parse = |region: aws_config::Region| {
            let parsed = region.as_ref().parse();
            parsed.map_err(|error: RegionError| format!("region of the AWS profile: {error}").into())
        };
        found.map(parse).transpose()
    }
}

/// The SDK's default chain, which is created at its first use: its HTTP client takes longer than reading a profile.
#[derive(Debug)]
struct DefaultChain(aws_config::Region);

impl ProvideCredentials for DefaultChain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let chain = DefaultCredentialsChain::builder().region(self.0.clone()).build().await;
            let found = chain.provide_credentials().await;
            if let Err(CredentialsError::CredentialsNotLoaded(_)) = &found
                && let Some(missing) = MissingProfile::find(None).await
            {
                // An error of another kind is one of the many in the list of what each provider answered.
                return Err(CredentialsError::invalid_configuration(missing));
            }
            found
        })
    }
}

fn in_sdk(region: &Region) -> aws_config::Region {
    aws_config::Region::new(region.to_string())
}

/// The variable with the end of the keys in the environment.
const EXPIRATION: &str = "AWS_CREDENTIAL_EXPIRATION";

/// Returns the keys in the environment, with the end that `aws configure export-credentials` writes and the SDK
/// ignores.
fn keys_in_environment() -> Result<Option<Credentials>, Failure> {
    let provider = EnvironmentVariableCredentialsProvider::new();
    // It reads variables, and waits for nothing.
    let read = pin!(provider.provide_credentials()).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Ok(mut keys)) = read else { return Ok(None) };
    if let Some(value) = env::var_os(EXPIRATION).filter(|value| !value.is_empty()) {
        let end = value.to_str().and_then(|value| OffsetDateTime::parse(value, &Rfc3339).ok());
        // The value is not repeated: if the variables are mixed up, it is a secret.
        let end = end.ok_or_else(|| {
            format!(
                "{EXPIRATION} is not a time; expected one such as 2026-11-30T08:00:00Z, or no such variable"
            )
        })?;
        *keys.expiry_mut() = Some(SystemTime::from(end));
    }
    Ok(Some(keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_of_a_connection_string_is_used_without_an_option() {
        let options = |profile: Option<&str>| CredentialsOptions {
            profile: profile.map(str::to_owned),
            ..CredentialsOptions::default()
        };
        for (option, string, expected) in [
            (None, Some("string"), Some("string")),
            (Some("option"), Some("string"), Some("option")),
            (Some("option"), None, Some("option")),
            (None, None, None),
        ] {
            let options = options(option).or_profile(string.map(str::to_owned));
            assert_eq!(options.profile.as_deref(), expected);
        }
    }

    #[test]
    fn a_role_is_given_by_its_arn() {
        for arn in ["arn:aws:iam::123456789012:role/orders", "arn:aws-cn:iam::123456789012:role/path/orders"]
        {
            assert_eq!(role(arn).as_deref(), Ok(arn));
        }
        for other in [
            "orders",
            "arn:aws:iam::123456789012:user/orders",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::1234:role/orders",
            "arn:aws:sts::123456789012:assumed-role/orders/session",
        ] {
            assert!(role(other).is_err(), "{other}");
        }
    }
}
