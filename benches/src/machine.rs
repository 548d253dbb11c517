//! `Machine`: the CPU cores, memory, compiler and build type of the machine that a benchmark runs on, which
//! are saved with the figures. Also reads values in kB from `/proc`.

use std::fmt;

use anyhow::Context as _;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) memory_mb: u64,
    pub(crate) rustc: &'static str,
    pub(crate) optimised: bool,
}

impl Machine {
    pub(crate) fn this() -> anyhow::Result<Self> {
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            memory_mb: kilobytes("/proc/meminfo", "MemTotal")? * 1024 / 1_000_000,
            rustc: env!("RUSTC_VERSION"),
            optimised: !cfg!(debug_assertions),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, memory_mb, rustc, optimised } = self;
        let build = if *optimised { "" } else { ", NOT OPTIMISED: the figures mean nothing" };
        write!(f, "{cores} cores, {:.1} GB of memory, {rustc}{build}", *memory_mb as f64 / 1e3)
    }
}

/// Returns the value of a `Key:   123 kB` line in a file of `/proc`, in units of 1024 bytes.
pub(crate) fn kilobytes(file: &str, key: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':')?.trim().strip_suffix(" kB")?.parse().ok())
        .with_context(|| format!("{file} has no line {key} in kB"))
}
