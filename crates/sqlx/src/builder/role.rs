//! `AssumeRole`: an IAM role to assume before tokens are signed.

use std::fmt;

use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use rds_iam_token::{DbUser, Region};

/// The longest name of a role session. Source: AWS STS API reference, `AssumeRole`.
const MAX_SESSION_NAME: usize = 64;

/// An IAM role to assume, for a database in another account.
///
/// Its credentials are requested for each token, so that each token has its full life.
///
/// ```
/// use rds_iam_sqlx::AssumeRole;
///
/// let role = AssumeRole::new("arn:aws:iam::111122223333:role/orders-db")
///     .external_id("given-by-the-owner")
///     .session_name("orders-api");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct AssumeRole {
    arn: String,
    external_id: Option<String>,
    session_name: Option<String>,
}

impl AssumeRole {
    /// Names the role by its ARN.
    pub fn new(arn: impl Into<String>) -> Self {
        Self { arn: arn.into(), external_id: None, session_name: None }
    }

    /// Sets the external id that the role's trust policy requires.
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Some(id.into());
        self
    }

    /// Sets the name of the session, which CloudTrail records: 2 to 64 letters, digits and `_+=,.@-`. Default: `rds-iam-`
    /// and the database user.
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.session_name = Some(name.into());
        self
    }

    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    /// Checks the settings before they are sent to AWS.
    pub(super) fn check(&self, region: &Region) -> Result<(), String> {
        let parts: Vec<_> = self.arn.splitn(6, ':').collect();
        let ["arn", partition, "iam", "", account, resource] = parts[..] else {
            return Err("it is not an ARN of a role: write arn:aws:iam::ACCOUNT:role/NAME".into());
        };
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let is_role = resource.strip_prefix("role/").is_some_and(|name| !name.is_empty())
            && resource.bytes().all(|b| b.is_ascii_graphic());
        if !is_account || !is_role {
            return Err("it is not an ARN of a role: write arn:aws:iam::ACCOUNT:role/NAME".into());
        }
        if partition != region.partition() {
            let expected = region.partition();
            return Err(format!("it is in the partition {partition}, and the region {region} in {expected}"));
        }
        let is_name = |name: &str| {
            (2..=MAX_SESSION_NAME).contains(&name.len()) && name.chars().all(is_session_character)
        };
        if self.session_name.as_ref().is_some_and(|name| !is_name(name)) {
            return Err("its session name is invalid: write 2 to 64 letters, digits and _+=,.@-".into());
        }
        // Source: AWS STS API reference, `AssumeRole`.
        let is_id = |id: &str| {
            (2..=1224).contains(&id.len())
                && id.chars().all(|c| is_session_character(c) || c == ':' || c == '/')
        };
        if self.external_id.as_ref().is_some_and(|id| !is_id(id)) {
            return Err("its external id is invalid: write 2 to 1224 letters, digits and _+=,.@:/-".into());
        }
        Ok(())
    }

    /// Returns a provider that assumes the role with the credentials of `aws`.
    pub(super) async fn provider(self, aws: &SdkConfig, user: &DbUser) -> AssumeRoleProvider {
        let session_name = self.session_name.unwrap_or_else(|| default_session_name(user));
        let mut provider = AssumeRoleProvider::builder(self.arn).configure(aws).session_name(session_name);
        if let Some(id) = self.external_id {
            provider = provider.external_id(id);
        }
        provider.build().await
    }
}

fn default_session_name(user: &DbUser) -> String {
    let user = user.as_str().chars().map(|c| if is_session_character(c) { c } else { '-' });
    "rds-iam-".chars().chain(user).take(MAX_SESSION_NAME).collect()
}

fn is_session_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

impl From<&str> for AssumeRole {
    fn from(arn: &str) -> Self {
        Self::new(arn)
    }
}

impl From<String> for AssumeRole {
    fn from(arn: String) -> Self {
        Self::new(arn)
    }
}

impl fmt::Debug for AssumeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The external id may be confidential.
        f.debug_struct("AssumeRole")
            .field("arn", &self.arn)
            .field("session_name", &self.session_name)
            .finish_non_exhaustive()
    }
}
