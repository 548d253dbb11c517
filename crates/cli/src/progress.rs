//! Progress of long operations, on standard output.

use rds_iam_deploy::PROGRESS;
use rds_iam_report::escape_control;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format;
use tracing_subscriber::prelude::*;

/// Prints progress events to standard output, one plain line each. Other events are not shown, for any
/// `RUST_LOG`: the program has no log. A line that can't be printed is dropped, and the operation continues.
pub(crate) fn start() {
    // A reason of AWS in a line does not begin another one.
    let fields =
        format::debug_fn(|writer, _, value| write!(writer, "{}", escape_control(&format!("{value:?}"))));
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(fields)
        .without_time()
        .with_level(false)
        .with_target(false)
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(std::io::stdout)
        .with_filter(Targets::new().with_target(PROGRESS, LevelFilter::INFO));
    tracing_subscriber::registry().with(lines).init();
}
