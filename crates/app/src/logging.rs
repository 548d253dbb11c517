//! Starts logging on standard output, as JSON lines or plain text. Panics are logged too.

use std::panic;

use rds_iam_report::log::{self, Format};
use tracing_subscriber::util::TryInitError;

use crate::Config;
use crate::config::LogFormat;

/// Starts logging by the settings, panics included. Call it once in a program.
///
/// # Errors
/// Returns an error if logging has been started before.
pub fn start(config: &Config) -> Result<(), TryInitError> {
    let format = match config.log {
        LogFormat::Json => Format::Json,
        LogFormat::Human => Format::Text,
    };
    log::to_stdout(format, &config.log_filter)?;
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(panic = panic.payload_as_str(), place, "panicked");
    }));
    Ok(())
}
