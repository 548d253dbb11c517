//! `GetParameters`: what Parameter Store has.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::operation::get_parameters::GetParametersError as Source;

use super::Cause;
use crate::outputs::Parameter;

/// How many names one call takes.
const AT_ONCE: usize = 10;

/// Reads parameters by their names. Secure ones stay encrypted.
#[derive(Clone, Debug)]
#[non_exhaustive]
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
    pub async fn run(&self, aws: &SdkConfig) -> Result<BTreeMap<String, Found>, GetParametersError> {
        let client = Client::new(aws);
        let mut found = BTreeMap::new();
        for names in self.names.chunks(AT_ONCE) {
            let call = client.get_parameters().set_names(Some(names.to_vec())).send();
            let answer = call.await.map_err(|source| GetParametersError {
                names: names.to_vec(),
                cause: Cause::of(&source, "ssm:GetParameters"),
                source: Box::new(source),
            })?;
            for parameter in answer.parameters.unwrap_or_default() {
                let kind = parameter.r#type.map_or_else(String::new, |kind| kind.as_str().to_owned());
                let (Some(name), Some(value)) = (parameter.name, parameter.value) else { continue };
                found.insert(name, Found { value, kind });
            }
        }
        Ok(found)
    }
}

/// Parameters could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the parameters {}: {cause}", names.join(", "))]
#[non_exhaustive]
pub struct GetParametersError {
    /// Which.
    pub names: Vec<String>,
    /// Why, and what to do.
    pub cause: Cause,
    /// What the client said.
    pub source: Box<SdkError<Source>>,
}
