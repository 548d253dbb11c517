//! `DeleteParameters`: what a destroyed deployment leaves in Parameter Store goes, too.

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::operation::delete_parameters::DeleteParametersError as Source;

use super::Cause;

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
    pub async fn run(&self, aws: &SdkConfig) -> Result<(), DeleteParametersError> {
        let client = Client::new(aws);
        for names in self.names.chunks(AT_ONCE) {
            let call = client.delete_parameters().set_names(Some(names.to_vec())).send();
            call.await.map_err(|source| DeleteParametersError {
                names: names.to_vec(),
                cause: Cause::of(&source, "ssm:DeleteParameters"),
                source: Box::new(source),
            })?;
        }
        Ok(())
    }
}

/// Parameters could not be deleted.
#[derive(Debug, thiserror::Error)]
#[error("cannot delete the parameters {}: {cause}", names.join(", "))]
#[non_exhaustive]
pub struct DeleteParametersError {
    /// Which.
    pub names: Vec<String>,
    /// Why, and what to do.
    pub cause: Cause,
    /// What the client said.
    pub source: Box<SdkError<Source>>,
}
