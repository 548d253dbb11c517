//! Log lines as text or JSON, and the filter that keeps secrets out of them.

use std::io::IsTerminal;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, FilterFn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Filter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::TryInitError;

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Plain text for a person at a terminal.
    Text,
    /// One JSON object per line, with the fields `timestamp` and `level` that AWS Lambda and CloudWatch Logs read.
    Json,
}

/// Starts logging to standard output, filtered by `directives` in `RUST_LOG`'s syntax.
///
/// # Errors
/// Returns an error if this process logs already: a program calls it once.
pub fn to_stdout(format: Format, directives: &str) -> Result<(), TryInitError> {
    start(layer(format, directives, std::io::stdout, std::io::stdout().is_terminal()))
}

/// Starts logging to standard error, filtered by `RUST_LOG`, or by `default` if that is not set.
///
/// # Errors
/// Returns an error if this process logs already: a program calls it once.
pub fn to_stderr(format: Format, default: &str) -> Result<(), TryInitError> {
    let chosen = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let directives = if chosen.is_empty() { default } else { &chosen };
    start(layer(format, directives, std::io::stderr, std::io::stderr().is_terminal()))
}

fn start(layer: impl Layer<tracing_subscriber::Registry> + Send + Sync) -> Result<(), TryInitError> {
    tracing_subscriber::registry().with(layer).try_init()
}

/// Returns the layer that writes filtered lines to `writer`. Invalid directives are ignored; programs validate them
/// with their other settings.
pub fn layer<S, W>(format: Format, directives: &str, writer: W, ansi: bool) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match format {
        Format::Text => lines.with_ansi(ansi).boxed(),
        Format::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
        }
    };
    lines.with_filter(safe(EnvFilter::new(directives)))
}

/// Restricts a filter to lines that can't contain a secret: targets of other projects are limited to info,
/// for any filter. Below that, signers log what they sign, and clients what they send and receive; the crates
/// of this project log no secret at any level (tested).
fn safe<S: Subscriber>(filter: EnvFilter) -> impl Filter<S> {
    fn is_safe(metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("rds_iam") || *metadata.level() <= Level::INFO
    }
    filter.and(FilterFn::new(is_safe as fn(&Metadata<'_>) -> bool))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn other_projects_are_held_at_info_whatever_is_asked_for() {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = layer(Format::Json, "trace", move || writer.clone(), false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::debug!(target: "aws_sigv4", "canonical request");
            tracing::info!(target: "aws_sigv4", "info line");
            tracing::trace!(target: "rds_iam_token", "own line");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("canonical request"), "{text}");
        assert!(text.contains("info line") && text.contains("own line"), "{text}");
    }
}
