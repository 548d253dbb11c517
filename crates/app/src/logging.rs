//! Logs: JSON lines for machines or plain lines for people, on standard output.

use std::io::IsTerminal;
use std::panic;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::Config;
use crate::config::LogFormat;

/// Starts logging as the settings say, panics included. Once in a program.
///
/// # Errors
/// Where logging has been started before.
pub fn start(config: &Config) -> Result<(), TryInitError> {
    // The settings were checked: an invalid filter does not come this far.
    let filter = EnvFilter::try_new(&config.log_filter).unwrap_or_default();
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    match config.log {
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .finish()
            .try_init()?,
        LogFormat::Human => builder.with_ansi(std::io::stdout().is_terminal()).finish().try_init()?,
    }
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(panic = panic.payload_as_str(), place, "panicked");
    }));
    Ok(())
}
