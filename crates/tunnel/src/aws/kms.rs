//! Data keys of AWS KMS, for sessions that the account encrypts.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_kms::Client;

use super::AwsError;
use super::error::statement;
use crate::{Call, DataKey, DataKeys, KEY_LENGTH, KeyRequest};

/// AWS KMS in one region, with the credentials of an AWS configuration. The caller's permission is
/// `kms:GenerateDataKey` on the key of the account's session preferences.
#[derive(Clone, Debug)]
pub struct KmsKeys {
    client: Client,
    region: String,
}

impl KmsKeys {
    /// Creates the client. Nothing is called.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        Self { client: Client::new(config), region }
    }
}

impl DataKeys for KmsKeys {
    fn generate<'a>(&'a self, request: &'a KeyRequest) -> Call<'a, DataKey> {
        const ACTION: &str = "kms:GenerateDataKey";
        Box::pin(async move {
            let context = request.encryption_context().into_iter();
            let context: HashMap<_, _> =
                context.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let call = self.client.generate_data_key().key_id(&request.key_id);
            let call = call.number_of_bytes(i32::try_from(KEY_LENGTH)?).set_encryption_context(Some(context));
            let answer = call.send().await.map_err(|error| {
                AwsError::of(ACTION, &self.region, error, |message| {
                    statement(&[ACTION], &[key(message, &request.key_id).to_owned()])
                })
            })?;
            match (answer.plaintext, answer.ciphertext_blob) {
                (Some(plaintext), Some(ciphertext)) => {
                    Ok(DataKey::new(plaintext.into_inner(), ciphertext.into_inner()))
                }
                _ => Err("the answer to kms:GenerateDataKey has no data key. Check AWS_ENDPOINT_URL".into()),
            }
        })
    }
}

/// Returns the key's ARN in AWS's text about a denied call. The id in the session preferences may be an alias, which is
/// none of a policy's resources.
fn key<'a>(message: &'a str, key_id: &'a str) -> &'a str {
    let resource = message.split("on resource: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    resource.filter(|resource| resource.starts_with("arn:")).unwrap_or(key_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_has_the_key_s_arn_if_aws_names_it() {
        let arn = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d";
        let message = format!(
            "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: kms:GenerateDataKey on resource: \
             {arn} because no identity-based policy allows the kms:GenerateDataKey action"
        );
        assert_eq!(key(&message, "alias/sessions"), arn);
        assert_eq!(
            key("The ciphertext refers to a key that does not exist", "alias/sessions"),
            "alias/sessions"
        );
        assert_eq!(key("on resource: this resource", "alias/sessions"), "alias/sessions");
    }
}
