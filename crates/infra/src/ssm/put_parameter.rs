//! `PutParameter`: makes a parameter, or gives it another value.

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::operation::put_parameter::PutParameterError as Source;
use aws_sdk_ssm::types::ParameterType;

use super::Cause;
use crate::outputs::Parameter;

/// Writes a parameter of type `String`, whether there is one or not.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the call has no other arguments here, and callers build it")]
pub struct PutParameter {
    /// What is due.
    pub parameter: Parameter,
}

impl PutParameter {
    /// Writes it. Running it again changes nothing but the version.
    ///
    /// # Errors
    /// Where the call fails; the error names the parameter and says what to do.
    pub async fn run(&self, aws: &SdkConfig) -> Result<(), PutParameterError> {
        let Parameter { path, value } = &self.parameter;
        let call = Client::new(aws).put_parameter().name(path).value(value);
        let call = call.r#type(ParameterType::String).overwrite(true).send();
        call.await.map(drop).map_err(|source| PutParameterError {
            name: path.clone(),
            cause: Cause::of(&source, "ssm:PutParameter"),
            source: Box::new(source),
        })
    }
}

/// A parameter could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the parameter {name}: {cause}")]
#[non_exhaustive]
pub struct PutParameterError {
    /// Which.
    pub name: String,
    /// Why, and what to do.
    pub cause: Cause,
    /// What the client said.
    pub source: Box<SdkError<Source>>,
}
