//! Reads parameters from Parameter Store by their names, with `GetParameters`: value, type and time of the last
//! change.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;

use crate::aws::CallError;

/// The most names that one call accepts.
const NAMES_PER_CALL: usize = 10;

/// A parameter in Parameter Store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// The value; of a `SecureString`, the ciphertext.
    pub value: String,
    /// The type: `String`, `StringList` or `SecureString`.
    pub kind: String,
    /// The time of the last change.
    pub modified: Option<SystemTime>,
}

/// Reads parameters by their full names, in as many calls as needed. Names that do not exist are absent from the
/// result; secure parameters stay encrypted.
///
/// # Errors
/// Returns an error if a call fails. The error names the parameters and the fix.
pub async fn get_parameters(aws: &SdkConfig, names: &[String]) -> Result<BTreeMap<String, Found>, CallError> {
    let client = Client::new(aws);
    let mut found = BTreeMap::new();
    for names in names.chunks(NAMES_PER_CALL) {
        let call = client.get_parameters().set_names(Some(names.to_vec())).send();
        let operation = format!("read the parameters {}", names.join(", "));
        let answer = call.await.map_err(CallError::from_sdk(operation, "ssm:GetParameters"))?;
        for parameter in answer.parameters.unwrap_or_default() {
            let kind = parameter.r#type.map_or_else(String::new, |kind| kind.as_str().to_owned());
            let (Some(name), Some(value)) = (parameter.name, parameter.value) else { continue };
            let modified = parameter.last_modified_date.and_then(|date| date.try_into().ok());
            found.insert(name, Found { value, kind, modified });
        }
    }
    Ok(found)
}
