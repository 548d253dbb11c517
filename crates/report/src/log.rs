//! Log lines as text or JSON, and the filter that keeps secrets out of them.

use std::ffi::OsStr;
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
    start(layer(format, directives, std::io::stdout, colours(&std::io::stdout())))
}

/// Starts logging to standard error, filtered by `RUST_LOG`, or by `default` if that is not set.
///
/// # Errors
/// Returns an error if this process logs already: a program calls it once.
pub fn to_stderr(format: Format, default: &str) -> Result<(), TryInitError> {
    to_stderr_through(format, default, std::io::stderr)
}

/// Starts logging as [`to_stderr`] does, through a writer that shares the terminal of standard error with other output.
///
/// # Errors
/// Returns an error if this process logs already: a program calls it once.
pub fn to_stderr_through<W>(format: Format, default: &str, writer: W) -> Result<(), TryInitError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let chosen = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let directives = if chosen.is_empty() { default } else { &chosen };
    start(layer(format, directives, writer, colours(&std::io::stderr())))
}

/// Returns whether lines for this output have colours.
fn colours(output: &impl IsTerminal) -> bool {
    has_colours(output.is_terminal(), std::env::var_os("NO_COLOR").as_deref())
}

/// A terminal gets colours unless `NO_COLOR` is set and not empty: <https://no-color.org>.
fn has_colours(is_terminal: bool, no_color: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty)
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
    fn colours_are_for_a_terminal_without_no_color() {
        for (is_terminal, no_color, expected) in [
            (true, None, true),
            (true, Some(""), true),
            (true, Some("1"), false),
            (true, Some("0"), false),
            (false, None, false),
            (false, Some(""), false),
            (false, Some("1"), false),
        ] {
            let found = has_colours(is_terminal, no_color.map(OsStr::new));
            assert_eq!(found, expected, "terminal: {is_terminal}, NO_COLOR: {no_color:?}");
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
