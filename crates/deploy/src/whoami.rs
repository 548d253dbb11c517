//! Whose credentials these are: so that a run learns before its first step that it has none, or others' ones.

use aws_config::SdkConfig;
use serde::Serialize;

use crate::aws::CallError;
use rds_iam_infra::arn::AccountId;

/// Who calls AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Caller {
    /// The account, 12 digits.
    pub account: String,
    /// The user, or the role with its session.
    pub arn: String,
}

/// Asks AWS whose credentials these are (`sts:GetCallerIdentity`, which needs no permission). They must be of
/// `account`.
///
/// # Errors
/// If there are no credentials, AWS does not accept them, or they are another account's.
pub async fn whoami(aws: &SdkConfig, account: &AccountId) -> Result<Caller, WhoAmIError> {
    let call = aws_sdk_sts::Client::new(aws).get_caller_identity().send();
    let answer = call
        .await
        .map_err(CallError::from_sdk("ask AWS whose credentials these are", "sts:GetCallerIdentity"))?;
    let caller = Caller {
        account: answer.account.unwrap_or_default(),
        arn: answer.arn.unwrap_or_else(|| "an unnamed caller".to_owned()),
    };
    if caller.account == account.as_str() {
        Ok(caller)
    } else {
        Err(WhoAmIError::OtherAccount { expected: account.clone(), found: caller })
    }
}

/// These credentials are no good for the deployment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WhoAmIError {
    /// AWS was not asked, or did not say.
    #[error(transparent)]
    Call(#[from] CallError),
    /// They are another account's.
    #[error(
        "the credentials are of account {} ({}), and the deployment lies in {expected}: choose the profile or role \
         of that account (AWS_PROFILE), or the environment that lies in this one",
        found.account, found.arn
    )]
    OtherAccount {
        /// The account that was expected.
        expected: AccountId,
        /// Whose they are.
        found: Caller,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
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
    async fn the_caller_is_told() {
        let aws = TestClient::new();
        aws.on("GetCallerIdentity", 200, answer("123456789012"));
        let caller = whoami(&aws.config(), &account()).await.unwrap();
        let json = serde_json::to_string(&caller).unwrap();
        assert_eq!(json, r#"{"account":"123456789012","arn":"arn:aws:iam::123456789012:user/ada"}"#);
    }

    #[tokio::test]
    async fn credentials_that_are_no_good_are_refused() {
        let aws = TestClient::new();
        let expired =
            "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>x</Message></Error></ErrorResponse>";
        aws.on("GetCallerIdentity", 200, answer("999999999999")).on("GetCallerIdentity", 403, expired);
        let mut said = Vec::new();
        for _ in 0..2 {
            said.push(whoami(&aws.config(), &account()).await.unwrap_err().to_string());
        }
        let none = aws.config().into_builder();
        let none = none.credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(
            aws_credential_types::credential_fn::provide_credentials_fn(|| async {
                Err(aws_credential_types::provider::error::CredentialsError::not_loaded("nowhere"))
            }),
        ));
        said.push(whoami(&none.build(), &account()).await.unwrap_err().to_string());
        assert_eq!(aws.operations().len(), 2, "nothing is sent without credentials");
        insta::assert_snapshot!(said.join("\n"), @"
        the credentials are of account 999999999999 (arn:aws:iam::999999999999:user/ada), and the deployment lies in 123456789012: choose the profile or role of that account (AWS_PROFILE), or the environment that lies in this one
        cannot ask AWS whose credentials these are: AWS does not accept the credentials (ExpiredToken): log in again, or renew the profile or role
        cannot ask AWS whose credentials these are: there are no credentials: log in (`aws sso login`, AWS_PROFILE), or let the job take its role (on GitHub Actions `id-token: write` and configure-aws-credentials)
        ");
    }
}
