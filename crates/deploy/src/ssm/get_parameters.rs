//! `GetParameters`: what Parameter Store has.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;

use crate::aws::CallError;
use rds_iam_infra::outputs::Parameter;

/// How many names one call takes.
const AT_ONCE: usize = 10;

/// Reads parameters by their names. Secure ones stay encrypted.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the call has no other arguments, and callers build it")]
pub struct GetParameters {
    /// Their full names; any number.
    pub names: Vec<String>,
}

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

impl GetParameters {
    /// Those that are due.
    pub fn of(due: &[Parameter]) -> Self {
        Self { names: due.iter().map(|parameter| parameter.path.clone()).collect() }
    }

    /// Reads them, as many calls as it takes. Those that do not exist are not in the answer.
    ///
    /// # Errors
    /// Where a call fails; the error names the parameters and says what to do.
    pub async fn run(&self, aws: &SdkConfig) -> Result<BTreeMap<String, Found>, CallError> {
        let client = Client::new(aws);
        let mut found = BTreeMap::new();
        for names in self.names.chunks(AT_ONCE) {
            let call = client.get_parameters().set_names(Some(names.to_vec())).send();
            let doing = format!("read the parameters {}", names.join(", "));
            let answer = call.await.map_err(CallError::of(doing, "ssm:GetParameters"))?;
            for parameter in answer.parameters.unwrap_or_default() {
                let kind = parameter.r#type.map_or_else(String::new, |kind| kind.as_str().to_owned());
                let (Some(name), Some(value)) = (parameter.name, parameter.value) else { continue };
                let modified = parameter.last_modified_date.and_then(|date| date.try_into().ok());
                found.insert(name, Found { value, kind, modified });
            }
        }
        Ok(found)
    }
}
