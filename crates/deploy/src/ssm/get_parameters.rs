//! `GetParameters`: what Parameter Store has.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;

use crate::aws::CallError;

/// How many names one call takes.
const AT_ONCE: usize = 10;

/// A parameter as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Its value; of a `SecureString`, the ciphertext.
    pub value: String,
    /// `String`, `StringList` or `SecureString`.
    pub kind: String,
    /// When it got this value.
    pub modified: Option<SystemTime>,
}

/// Reads parameters by their full names, in as many calls as it takes. Names that do not exist are missing from the
/// answer, and secure parameters stay encrypted.
///
/// # Errors
/// If a call fails. The error names the parameters and says what to do.
pub async fn get_parameters(aws: &SdkConfig, names: &[String]) -> Result<BTreeMap<String, Found>, CallError> {
    let client = Client::new(aws);
    let mut found = BTreeMap::new();
    for names in names.chunks(AT_ONCE) {
        let call = client.get_parameters().set_names(Some(names.to_vec())).send();
        let doing = format!("read the parameters {}", names.join(", "));
        let answer = call.await.map_err(CallError::from_sdk(doing, "ssm:GetParameters"))?;
        for parameter in answer.parameters.unwrap_or_default() {
            let kind = parameter.r#type.map_or_else(String::new, |kind| kind.as_str().to_owned());
            let (Some(name), Some(value)) = (parameter.name, parameter.value) else { continue };
            let modified = parameter.last_modified_date.and_then(|date| date.try_into().ok());
            found.insert(name, Found { value, kind, modified });
        }
    }
    Ok(found)
}
