//! What every program of this workspace shares: the error report, the log filter and file access.
//!
//! - [`ErrorReport`]: an error with all of its causes, in one line.
//! - [`log`]: log formats, and the filter that keeps secrets out of logs.
//! - [`mod@file`]: files read with a size limit and replaced atomically.

mod error_report;
pub mod file;
pub mod log;

pub use error_report::ErrorReport;
