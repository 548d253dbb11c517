//! What the programs log, and that none of it can be a secret.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt, FilterFn};
use tracing_subscriber::prelude::*;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// For a person at a terminal.
    Text,
    /// One JSON object, with `timestamp` and `level` as AWS Lambda and CloudWatch Logs read them.
    Json,
}

/// Logs to standard error, as `RUST_LOG` says or else `default` does. Whatever either says, targets of
/// other projects are held at info.
///
/// # Panics
/// Where this process logs already: a program calls it once.
pub fn to_stderr(format: Format, default: &str) {
    let chosen = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let chosen = if chosen.is_empty() { default } else { &chosen };
    let safe = FilterFn::new(is_safe as fn(&Metadata<'_>) -> bool);
    let filter = EnvFilter::new(chosen).and(safe);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        Format::Text => {
            let lines = lines.with_ansi(std::io::stderr().is_terminal());
            tracing_subscriber::registry().with(lines.with_filter(filter)).init();
        }
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
            tracing_subscriber::registry().with(lines.with_filter(filter)).init();
        }
    }
}

/// Whether a log line can't hold a secret. Below info, signers log what they sign and clients what they
/// receive; of this project's own crates, none does (tested).
fn is_safe(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("rds_iam") || *metadata.level() <= Level::INFO
}
