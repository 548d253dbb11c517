//! Creates or overwrites a parameter of type `String` in Parameter Store, with `PutParameter`.

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::ParameterType;

use crate::aws::CallError;
use rds_iam_infra::outputs::Parameter;

/// Creates or overwrites a parameter of type `String`. Writing the same value again changes only the version.
///
/// # Errors
/// Returns an error if the call fails. The error names the parameter and the fix.
pub async fn put_parameter(aws: &SdkConfig, parameter: &Parameter) -> Result<(), CallError> {
    let Parameter { path, value } = parameter;
    let call = Client::new(aws).put_parameter().name(path).value(value);
    let call = call.r#type(ParameterType::String).overwrite(true).send();
    let operation = format!("write the parameter {path}");
    call.await.map(drop).map_err(CallError::from_sdk(operation, "ssm:PutParameter"))
}
