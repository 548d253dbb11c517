//! `DeleteParameters`: what a destroyed deployment leaves in Parameter Store goes, too.

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;

use crate::aws::CallError;

/// How many names one call takes.
const AT_ONCE: usize = 10;

/// Deletes parameters by their full names, in as many calls as it takes. Names that do not exist are no error.
///
/// # Errors
/// If a call fails. The error names the parameters and says what to do; it is safe to run this again.
pub async fn delete_parameters(aws: &SdkConfig, names: &[String]) -> Result<(), CallError> {
    let client = Client::new(aws);
    for names in names.chunks(AT_ONCE) {
        let call = client.delete_parameters().set_names(Some(names.to_vec())).send();
        let doing = format!("delete the parameters {}", names.join(", "));
        call.await.map_err(CallError::from_sdk(doing, "ssm:DeleteParameters"))?;
    }
    Ok(())
}
