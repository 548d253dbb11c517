//! The master user's credentials: fetched from Secrets Manager, kept in memory, wiped afterwards.

use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::config::Region as SdkRegion;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use rds_iam_infra::RdsConf;
use rds_iam_infra::rds_conf::SecretId;
use rds_iam_token::DbUser;
use zeroize::Zeroizing;

/// The master user's name and password. Its `Debug` has no password.
pub(crate) struct Master {
    pub(crate) user: DbUser,
    pub(crate) password: Zeroizing<String>,
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Master").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Fetches the secret that `rds.conf` names.
pub(crate) async fn fetch(conf: &RdsConf, aws: &SdkConfig) -> Result<Master, SecretError> {
    let id = &conf.master_secret;
    let region = region_of(id).unwrap_or(conf.region.as_str());
    let config =
        aws_sdk_secretsmanager::config::Builder::from(aws).region(SdkRegion::new(region.to_owned())).build();
    let request = aws_sdk_secretsmanager::Client::from_conf(config).get_secret_value().secret_id(id.as_str());
    let answer = request.send().await.map_err(|source| SecretError::from_sdk(id, region, source))?;
    // The client's own copies can't be wiped; this one is.
    let text = answer.secret_string.map(Zeroizing::new);
    let text = text.ok_or_else(|| SecretError::content(id, Content::Binary))?;
    parse(&text).map_err(|content| SecretError::content(id, content))
}

/// Returns the region in a secret's ARN, the only one that serves the secret.
fn region_of(id: &SecretId) -> Option<&str> {
    id.as_str().strip_prefix("arn:")?.split(':').nth(2).filter(|region| !region.is_empty())
}

/// Parses the format that RDS and Terraform write: JSON with `username` and `password`.
fn parse(text: &str) -> Result<Master, Content> {
    // serde_json's error quotes a value of the wrong type, which is a secret: it is dropped.
    let mut fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|_| Content::NotJson)?;
    // Moved out, not copied.
    let mut field = |name: &'static str| match fields.remove(name) {
        None => Err(Content::NoField { name }),
        Some(serde_json::Value::String(value)) if !value.is_empty() => {
            let value = Zeroizing::new(value);
            if value.contains(char::is_control) { Err(Content::Control { name }) } else { Ok(value) }
        }
        Some(_) => Err(Content::BadField { name }),
    };
    let (user, password) = (field("username")?, field("password")?);
    let user = user.parse().map_err(|_| Content::BadField { name: "username" })?;
    Ok(Master { user, password })
}

/// The error of a secret's content. It never shows the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Content {
    /// Bytes instead of text.
    #[error("it is binary")]
    Binary,
    /// Not a JSON object.
    #[error("it is not a JSON object")]
    NotJson,
    /// A field is missing.
    #[error("it lacks the field {name:?}")]
    NoField {
        /// The field.
        name: &'static str,
    },
    /// A field has a control character, which RDS allows in no name or password.
    #[error("its field {name:?} has a control character, such as a line feed at its end")]
    Control {
        /// The field.
        name: &'static str,
    },
    /// A field is empty, or not text.
    #[error("its field {name:?} is empty or not text")]
    BadField {
        /// The field.
        name: &'static str,
    },
}

/// The error of fetching the master user's credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The secret does not exist.
    #[error("there is no secret {id} in region {region}")]
    NotFound {
        /// The secret's name or ARN.
        id: SecretId,
        /// The region of the request.
        region: String,
    },
    /// The caller may not read the secret.
    #[error("reading the secret {id} is denied to this caller ({code})")]
    Denied {
        /// The secret's name or ARN.
        id: SecretId,
        /// The region of the secret.
        region: String,
        /// Secrets Manager's error code.
        code: String,
    },
    /// AWS does not accept the caller's credentials.
    #[error("reading the secret {id} failed: AWS does not accept the credentials ({code})")]
    Credentials {
        /// The secret's name or ARN.
        id: SecretId,
        /// Secrets Manager's error code.
        code: String,
    },
    /// The content is not in the format that RDS writes.
    #[error("the secret {id} can't be used: {content}")]
    Content {
        /// The secret's name or ARN.
        id: SecretId,
        /// The error of the content.
        content: Content,
    },
    /// No response, or another error.
    #[error("reading the secret {id} from Secrets Manager in {region} failed")]
    Failed {
        /// The secret's name or ARN.
        id: SecretId,
        /// The region of the request.
        region: String,
        /// The client's error.
        source: Box<SdkError<GetSecretValueError>>,
    },
}

impl SecretError {
    fn content(id: &SecretId, content: Content) -> Self {
        Self::Content { id: id.clone(), content }
    }

    /// Error codes are from "Common Errors" and `GetSecretValue` in the Secrets Manager API reference.
    fn from_sdk(id: &SecretId, region: &str, source: SdkError<GetSecretValueError>) -> Self {
        let (id, region) = (id.clone(), region.to_owned());
        let code = source.as_service_error().and_then(ProvideErrorMetadata::code).map(str::to_owned);
        match (code.as_deref(), code.clone()) {
            (Some("ResourceNotFoundException"), _) => Self::NotFound { id, region },
            (Some("AccessDeniedException" | "NotAuthorized" | "DecryptionFailure"), Some(code)) => {
                Self::Denied { id, region, code }
            }
            (
                Some(
                    "ExpiredTokenException"
                    | "ExpiredToken"
                    | "UnrecognizedClientException"
                    | "InvalidClientTokenId"
                    | "IncompleteSignature"
                    | "InvalidSignatureException"
                    | "MissingAuthenticationTokenException",
                ),
                Some(code),
            ) => Self::Credentials { id, code },
            _ => Self::Failed { id, region, source: Box::new(source) },
        }
    }

    /// Returns what to do, for an operator.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NotFound { id, region } => format!(
                "Check MASTER_SECRET_NAME and REGION: `aws secretsmanager describe-secret --secret-id {id} --region {region}`."
            ),
            Self::Denied { id, region, .. } => format!(
                "Allow the caller's role this statement, and kms:Decrypt on the key if a customer key encrypts the secret:\n{}",
                statement(id, region)
            ),
            Self::Credentials { .. } => {
                "The AWS credentials have expired or are wrong: log in again, or renew the profile or role that they come from. Check this machine's clock.".into()
            }
            Self::Content { .. } => {
                "The secret must be JSON such as {\"username\":\"…\",\"password\":\"…\"}, as RDS writes it. Check that MASTER_SECRET_NAME names the master user's secret.".into()
            }
            Self::Failed { region, .. } => format!(
                "Check that this machine can reach Secrets Manager in {region} (VPC endpoint, proxy, AWS_ENDPOINT_URL), then run this again."
            ),
        }
    }
}

/// Returns the policy statement that allows reading the secret.
fn statement(id: &SecretId, region: &str) -> String {
    let resource = if id.as_str().starts_with("arn:") {
        id.as_str().to_owned()
    } else {
        let partition = region.parse::<rds_iam_token::Region>().map_or("aws", |region| region.partition());
        // Secrets Manager appends six random characters to the name.
        format!("arn:{partition}:secretsmanager:{region}:<account: 12 digits>:secret:{id}-??????")
    };
    let statement = serde_json::json!({
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": resource,
    });
    format!("{statement:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_that_rds_writes() {
        let master =
            parse(r#"{"username":"admin","password":"s3\"cret","engine":"mysql","port":3306}"#).unwrap();
        assert_eq!((master.user.as_str(), master.password.as_str()), ("admin", "s3\"cret"));
        assert!(!format!("{master:?}").contains("cret"));
    }

    #[test]
    fn other_content_is_refused_without_showing_it() {
        for (text, content) in [
            ("hunter2", Content::NotJson),
            (r#""hunter2""#, Content::NotJson),
            (r#"["hunter2"]"#, Content::NotJson),
            (r#"{"password":"hunter2"}"#, Content::NoField { name: "username" }),
            (r#"{"username":"hunter2"}"#, Content::NoField { name: "password" }),
            (r#"{"username":"","password":"hunter2"}"#, Content::BadField { name: "username" }),
            (r#"{"username":"a","password":""}"#, Content::BadField { name: "password" }),
            (r#"{"username":"a","password":["hunter2"]}"#, Content::BadField { name: "password" }),
            (r#"{"username":"a","password":"hunter2\u0000"}"#, Content::Control { name: "password" }),
            (r#"{"username":"a","password":"hunter2\n"}"#, Content::Control { name: "password" }),
            (r#"{"username":"hunter2\t","password":"b"}"#, Content::Control { name: "username" }),
        ] {
            let refused = parse(text).unwrap_err();
            assert_eq!(refused, content, "{text}");
            let error = SecretError::content(&"orders/master".parse().unwrap(), refused);
            let shown = format!("{error} {error:?} {}", error.hint());
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn an_arn_says_where_to_fetch() {
        let region = |id: &str| region_of(&id.parse().unwrap()).map(str::to_owned);
        assert_eq!(
            region("arn:aws:secretsmanager:eu-west-1:123456789012:secret:m-AbCdEf").as_deref(),
            Some("eu-west-1")
        );
        assert_eq!(region("orders/master"), None);
    }

    #[test]
    fn wording() {
        let id: SecretId = "orders/master".parse().unwrap();
        let region = || "cn-north-1".to_owned();
        let denied =
            SecretError::Denied { id: id.clone(), region: region(), code: "AccessDeniedException".into() };
        insta::assert_snapshot!(denied, @"reading the secret orders/master is denied to this caller (AccessDeniedException)");
        insta::assert_snapshot!(denied.hint(), @r#"
        Allow the caller's role this statement, and kms:Decrypt on the key if a customer key encrypts the secret:
        {
          "Action": "secretsmanager:GetSecretValue",
          "Effect": "Allow",
          "Resource": "arn:aws-cn:secretsmanager:cn-north-1:<account: 12 digits>:secret:orders/master-??????"
        }
        "#);
        insta::assert_snapshot!(SecretError::NotFound { id: id.clone(), region: region() }, @"there is no secret orders/master in region cn-north-1");
        insta::assert_snapshot!(SecretError::content(&id, Content::NoField { name: "password" }), @r#"the secret orders/master can't be used: it lacks the field "password""#);
    }
}
