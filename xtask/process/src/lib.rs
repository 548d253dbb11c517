//! Starting programs, for all tasks: commands with limits whose echo and output are redacted, the
//! console and logs, files in one step, tables of steps, and the cache of pinned tools.

pub mod clock;
pub mod console;
pub mod engine;
pub mod error;
pub mod file;
pub mod runner;
pub mod shell;
pub mod steps;
pub mod summary;
pub mod tools;
pub mod workspace;
