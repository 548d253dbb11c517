//! The source of the AWS credentials that sign tokens: a given provider or the SDK's default chain, a profile, and a role
//! that is assumed with them.

use aws_credential_types::provider::SharedCredentialsProvider;
use rds_iam_token::Login;

use crate::error::SettingError;

/// The settings of the credentials.
#[derive(Default)]
pub(super) struct Source {
    pub(super) provider: Option<SharedCredentialsProvider>,
    pub(super) profile: Option<String>,
    #[cfg(feature = "aws-config")]
    pub(super) role: Option<super::AssumeRole>,
}

impl Source {
    pub(super) fn is_set(&self) -> bool {
        #[cfg(feature = "aws-config")]
        let has_role = self.role.is_some();
        #[cfg(not(feature = "aws-config"))]
        let has_role = false;
        self.provider.is_some() || self.profile.is_some() || has_role
    }

    /// Returns the provider of the credentials for a login.
    pub(super) fn resolve(
        &self,
        login: &Login,
        errors: &mut Vec<SettingError>,
    ) -> Option<SharedCredentialsProvider> {
        if self.provider.is_some() && self.profile.is_some() {
            let cause = "the credentials are set as well, which have no profile: set one of the two";
            errors.push(SettingError::new("profile", cause));
        }
        if let Some(cause) = self.profile.as_deref().and_then(super::wrong_name) {
            errors.push(SettingError::new("profile", cause));
        }
        self.provider_for(login, errors)
    }

    #[cfg(feature = "aws-config")]
    fn provider_for(
        &self,
        login: &Login,
        errors: &mut Vec<SettingError>,
    ) -> Option<SharedCredentialsProvider> {
        if let Some(role) = &self.role
            && let Err(cause) = role.check(&login.region)
        {
            errors.push(SettingError::new("assume_role", cause));
        }
        match (&self.provider, &self.role) {
            (Some(provider), None) => Some(provider.clone()),
            _ => Some(chain(self.provider.clone(), self.profile.clone(), self.role.clone(), login.clone())),
        }
    }

    #[cfg(not(feature = "aws-config"))]
    fn provider_for(&self, _: &Login, errors: &mut Vec<SettingError>) -> Option<SharedCredentialsProvider> {
        if self.provider.is_none() {
            let cause = "none are set: set them, or enable the feature `aws-config` of rds-iam-sqlx";
            errors.push(SettingError::new("credentials", cause));
        }
        self.provider.clone()
    }
}

/// Returns the SDK's provider, which is created at its first use, and again when one of its files has changed.
#[cfg(feature = "aws-config")]
pub(crate) fn chain(
    provider: Option<SharedCredentialsProvider>,
    profile: Option<String>,
    role: Option<super::AssumeRole>,
    login: Login,
) -> SharedCredentialsProvider {
    use rds_iam_token::{ReloadingCredentials, shared_files};

    SharedCredentialsProvider::new(ReloadingCredentials::new(shared_files(), move || {
        let (provider, profile, role) = (provider.clone(), profile.clone(), role.clone());
        let Login { endpoint, region, user, .. } = login.clone();
        async move {
            tracing::debug!(%user, %endpoint, %region, profile, "loading the AWS configuration");
            let mut aws = aws_config::defaults(aws_config::BehaviorVersion::latest())
                .region(aws_config::Region::new(region.to_string()));
            if let Some(profile) = profile {
                aws = aws.profile_name(profile);
            }
            if let Some(provider) = provider {
                aws = aws.credentials_provider(provider);
            }
            let aws = aws.load().await;
            tracing::debug!(%user, %endpoint, %region, role = role.as_ref().map(super::AssumeRole::arn), "loaded the AWS configuration");
            match role {
                Some(role) => SharedCredentialsProvider::new(role.provider(&aws, &user).await),
                None => aws.credentials_provider().expect("there is a default chain"),
            }
        }
    }))
}
