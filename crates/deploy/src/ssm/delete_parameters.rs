//! Deletes parameters from Parameter Store by their names, with `DeleteParameters`.

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;

use crate::aws::CallError;

/// The most names that one call accepts.
const NAMES_PER_CALL: usize = 10;

/// Deletes parameters by their full names, in as many calls as needed. A name that does not exist is not an error.
///
/// # Errors
/// Returns an error if a call fails. The error names the parameters and the fix; a second run is safe.
pub async fn delete_parameters(aws: &SdkConfig, names: &[String]) -> Result<(), CallError> {
    let client = Client::new(aws);
    for names in names.chunks(NAMES_PER_CALL) {
        let call = client.delete_parameters().set_names(Some(names.to_vec())).send();
        let operation = format!("delete the parameters {}", names.join(", "));
        call.await.map_err(CallError::from_sdk(operation, "ssm:DeleteParameters"))?;
    }
    Ok(())
}
