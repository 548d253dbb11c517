//! Shared code of all tasks: commands with time limits whose echo and output are redacted, the console and
//! logs, atomic file operations, steps with their table, and the cache of pinned tools.

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
