//! Logs on standard output: JSON lines or plain text.

use std::io::IsTerminal;
use std::panic;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt, FilterFn};
use tracing_subscriber::prelude::*;
use tracing_subscriber::util::TryInitError;

use crate::Config;
use crate::config::LogFormat;

/// Starts logging by the settings, panics included. Call it once in a program.
///
/// # Errors
/// If logging has been started before.
pub fn start(config: &Config) -> Result<(), TryInitError> {
    // The settings were checked: an invalid filter does not come this far.
    let chosen = EnvFilter::try_new(&config.log_filter).unwrap_or_default();
    let filter = chosen.and(FilterFn::new(is_safe as fn(&Metadata<'_>) -> bool));
    let layer = tracing_subscriber::fmt::layer();
    let layer = match config.log {
        LogFormat::Json => {
            layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
        }
        LogFormat::Human => layer.with_ansi(std::io::stdout().is_terminal()).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).try_init()?;
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(panic = panic.payload_as_str(), place, "panicked");
    }));
    Ok(())
}

/// Whether a log line can't hold a secret. Below info, signers log what they sign and clients what they
/// send and receive; of this project's own crates, none does (tested).
fn is_safe(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("rds_iam") || *metadata.level() <= Level::INFO
}
