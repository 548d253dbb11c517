//! `PutParameter`: makes a parameter, or gives it another value.

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::ParameterType;

use crate::aws::CallError;
use rds_iam_infra::outputs::Parameter;

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
    pub async fn run(&self, aws: &SdkConfig) -> Result<(), CallError> {
        let Parameter { path, value } = &self.parameter;
        let call = Client::new(aws).put_parameter().name(path).value(value);
        let call = call.r#type(ParameterType::String).overwrite(true).send();
        let doing = format!("write the parameter {path}");
        call.await.map(drop).map_err(CallError::of(doing, "ssm:PutParameter"))
    }
}
