//! The caller's identity: a run without credentials, or with those of another account, fails before its first step.

use aws_config::SdkConfig;
use serde::Serialize;

use crate::aws::CallError;
use rds_iam_infra::arn::AccountId;

/// The caller of AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Caller {
    /// The account, 12 digits.
    pub account: String,
    /// The ARN of the user, or of the role's session.
    pub arn: String,
}

impl Caller {
    /// Creates a caller from its account and ARN.
    #[must_use]
    pub fn new(account: impl Into<String>, arn: impl Into<String>) -> Self {
        Self { account: account.into(), arn: arn.into() }
    }
}

/// Returns the caller's identity (`sts:GetCallerIdentity`, which needs no permission).
///
/// # Errors
/// Returns an error if there are no credentials, or AWS rejects them.
pub async fn caller(aws: &SdkConfig) -> Result<Caller, CallError> {
    let call = aws_sdk_sts::Client::new(aws).get_caller_identity().send();
    let answer =
        call.await.map_err(CallError::from_sdk("read the caller's identity", "sts:GetCallerIdentity"))?;
    Ok(Caller {
        account: answer.account.unwrap_or_default(),
        arn: answer.arn.unwrap_or_else(|| "an unnamed caller".to_owned()),
    })
}

/// Returns the caller's identity, which must be in `account`.
///
/// # Errors
/// Returns an error if there are no credentials, AWS rejects them, or they belong to another account.
pub async fn whoami(aws: &SdkConfig, account: &AccountId) -> Result<Caller, WhoAmIError> {
    let caller = caller(aws).await?;
    if caller.account == account.as_str() {
        Ok(caller)
    } else {
        Err(WhoAmIError::OtherAccount { expected: account.clone(), found: caller })
    }
}

/// The credentials can't be used for the deployment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WhoAmIError {
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The credentials belong to another account.
    #[error(
        "the credentials belong to account {} ({}), but the deployment is in {expected}: choose that account's \
         profile or role (AWS_PROFILE), or an environment in this account",
        found.account, found.arn
    )]
    OtherAccount {
        /// The deployment's account.
        expected: AccountId,
        /// The caller.
        found: Caller,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::CallErrorKind;
    use crate::aws::test_client::TestClient;

    fn answer(account: &str) -> String {
        format!(
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::{account}:user/ada</Arn>\
             <Account>{account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
        )
    }

    fn account() -> AccountId {
        "123456789012".parse().unwrap()
    }

    #[tokio::test]
    async fn the_caller_is_returned() {
        let aws = TestClient::new();
        aws.on("GetCallerIdentity", 200, answer("123456789012"));
        let caller = whoami(&aws.config(), &account()).await.unwrap();
        let json = serde_json::to_string(&caller).unwrap();
        assert_eq!(json, r#"{"account":"123456789012","arn":"arn:aws:iam::123456789012:user/ada"}"#);
    }

    #[tokio::test]
    async fn credentials_of_another_account_are_refused() {
        let aws = TestClient::new();
        aws.on("GetCallerIdentity", 200, answer("999999999999"));
        let error = whoami(&aws.config(), &account()).await.unwrap_err();
        insta::assert_snapshot!(error, @"the credentials belong to account 999999999999 (arn:aws:iam::999999999999:user/ada), but the deployment is in 123456789012: choose that account's profile or role (AWS_PROFILE), or an environment in this account");
    }

    #[tokio::test]
    async fn rejected_and_missing_credentials_are_distinguished() {
        let aws = TestClient::new();
        let expired =
            "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>x</Message></Error></ErrorResponse>";
        aws.on("GetCallerIdentity", 403, expired);
        let error = whoami(&aws.config(), &account()).await.unwrap_err();
        assert!(
            matches!(&error, WhoAmIError::Call(call) if matches!(call.kind, CallErrorKind::Credentials { .. })),
            "{error}"
        );
        let none = aws.config().into_builder();
        let none = none.credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(
            aws_credential_types::credential_fn::provide_credentials_fn(|| async {
                Err(aws_credential_types::provider::error::CredentialsError::not_loaded("nowhere"))
            }),
        ));
        let error = whoami(&none.build(), &account()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the caller's identity: no credentials found: log in (`aws sso login`, AWS_PROFILE), or let \
             the job assume its role (on GitHub Actions `id-token: write` and configure-aws-credentials)"
        );
        assert_eq!(aws.operations().len(), 1, "nothing is sent without credentials");
    }
}
