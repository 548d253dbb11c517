//! `DeleteParameters`: what a destroyed deployment leaves in Parameter Store goes, too.

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;

use crate::aws::CallError;

/// How many names one call takes.
const AT_ONCE: usize = 10;

/// Deletes parameters by their names.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the call has no other arguments, and callers build it")]
pub struct DeleteParameters {
    /// Their full names; any number.
    pub names: Vec<String>,
}

impl DeleteParameters {
    /// Deletes them, as many calls as it takes. Those that do not exist are no error.
    ///
    /// # Errors
    /// Where a call fails; the error names the parameters and says what to do. Running it again is safe.
    pub async fn run(&self, aws: &SdkConfig) -> Result<(), CallError> {
        let client = Client::new(aws);
        for names in self.names.chunks(AT_ONCE) {
            let call = client.delete_parameters().set_names(Some(names.to_vec())).send();
            let doing = format!("delete the parameters {}", names.join(", "));
            call.await.map_err(CallError::of(doing, "ssm:DeleteParameters"))?;
        }
        Ok(())
    }
}
