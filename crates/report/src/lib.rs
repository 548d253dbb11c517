//! What every program of this workspace shares: the error report, the log filter, file access, and the checks of texts
//! and variables from elsewhere.
//!
//! - [`check_endpoint_urls`]: an error for an empty `AWS_ENDPOINT_URL`, on which the AWS SDK panics.
//! - [`escape_control`]: a text of a file or server without control characters, for a terminal.
//! - [`ErrorReport`]: an error with all of its causes, in one line.
//! - [`log`]: log formats, and the filter that keeps secrets out of logs.
//! - [`mod@file`]: files read with a size limit and replaced atomically.

mod endpoint_url;
mod escape;
pub mod file;
pub mod log;

pub use endpoint_url::{EmptyEndpointUrl, check_endpoint_urls};
pub use escape::{escape_control, escape_json};
pub use rds_iam_token::ErrorReport;
