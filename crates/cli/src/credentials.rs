//! `--profile`, `--assume-role` and `--external-id`: the AWS credentials of a command.
//!
//! Keys from the environment or a file need no HTTP client, which is created at the first call of AWS.

use std::env;
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
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use rds_iam_deploy::aws;
use rds_iam_report::check_endpoint_urls;
use rds_iam_token::{Region, RegionError};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Failure;

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
    /// Sets the profile and the role of a pool's settings, whose credentials are read again when their files change.
    pub(crate) fn apply<DB: rds_iam_sqlx::Engine>(
        &self,
        mut builder: rds_iam_sqlx::Builder<DB>,
    ) -> rds_iam_sqlx::Builder<DB> {
        if let Some(profile) = &self.profile {
            builder = builder.profile(profile);
        } else if self.assume_role.is_none()
            && let Some(keys) = keys_that_end()
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
        builder
    }

    /// Returns the provider of the credentials; `region` is that of AWS's calls, if there are any.
    pub(crate) async fn provider(&self, region: &Region) -> Result<SharedCredentialsProvider, Failure> {
        // The SDK panics in a call to an empty endpoint.
        check_endpoint_urls(None)?;
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
        let files = ProfileFileCredentialsProvider::builder();
        if let Some(profile) = &self.profile {
            return Ok(SharedCredentialsProvider::new(files.profile_name(profile).build()));
        }
        match EnvironmentVariableCredentialsProvider::new().provide_credentials().await {
            Ok(found) => Ok(SharedCredentialsProvider::new(with_expiry(found)?)),
            Err(_) => Ok(SharedCredentialsProvider::new(files.build())),
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
        if let Ok(found) = EnvironmentVariableCredentialsProvider::new().provide_credentials().await {
            return Ok(SharedCredentialsProvider::new(with_expiry(found)?));
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
            chain.provide_credentials().await
        })
    }
}

fn in_sdk(region: &Region) -> aws_config::Region {
    aws_config::Region::new(region.to_string())
}

/// The variable with the end of the keys in the environment.
const EXPIRATION: &str = "AWS_CREDENTIAL_EXPIRATION";

/// Returns the keys in the environment if it has their end too, which the SDK ignores.
fn keys_that_end() -> Option<Credentials> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let end = OffsetDateTime::parse(&variable(EXPIRATION)?, &Rfc3339).ok()?;
    let (id, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
    let session = variable("AWS_SESSION_TOKEN");
    Some(Credentials::new(id, secret, session, Some(SystemTime::from(end)), "Environment"))
}

/// Adds the end of the keys in the environment, which `aws configure export-credentials` writes and the SDK ignores.
fn with_expiry(mut found: Credentials) -> Result<Credentials, Failure> {
    if let Ok(value) = env::var(EXPIRATION)
        && !value.is_empty()
    {
        let end = OffsetDateTime::parse(&value, &Rfc3339).map_err(|_| {
            format!(
                "{EXPIRATION} is {value:?}; expected a time such as 2026-11-30T08:00:00Z, or no such variable"
            )
        })?;
        *found.expiry_mut() = Some(SystemTime::from(end));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

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
