//! This process: its memory and file descriptors, and its log, in which every line is searched for secrets.

use std::fs;
use std::io::{self, Write};
use std::sync::{Mutex, OnceLock};

use tracing_subscriber::fmt::MakeWriter;

/// What this process holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// In KiB, resident.
    pub(crate) memory: u64,
    pub(crate) descriptors: usize,
}

pub(crate) fn usage() -> Usage {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let memory = line.trim().trim_end_matches(" kB").parse().unwrap();
    Usage { memory, descriptors: fs::read_dir("/proc/self/fd").unwrap().count() }
}

/// The log of this process. It keeps none of its lines but those with a secret.
#[derive(Debug, Default)]
pub(crate) struct Log {
    secrets: Mutex<Vec<String>>,
    signed: Mutex<u64>,
    found: Mutex<Vec<String>>,
}

impl Log {
    /// Returns the log of all tests in this process, at all levels.
    pub(crate) fn get() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        static TAKEN: OnceLock<()> = OnceLock::new();
        let log = LOG.get_or_init(Self::default);
        TAKEN.get_or_init(|| {
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::TRACE);
            subscriber.with_writer(log).init();
        });
        log
    }

    /// Searches later lines for these, too.
    pub(crate) fn forbid(&self, secrets: impl IntoIterator<Item = String>) {
        self.secrets.lock().unwrap().extend(secrets);
    }

    /// Returns the number of tokens that were signed by the log.
    pub(crate) fn signed(&self) -> u64 {
        *self.signed.lock().unwrap()
    }

    /// Returns the lines with a secret.
    pub(crate) fn found(&self) -> Vec<String> {
        self.found.lock().unwrap().clone()
    }
}

impl<'a> MakeWriter<'a> for &'static Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self
    }
}

/// The writer gets one event at a time.
impl Write for &'static Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        if line.contains(": signed an IAM token") {
            *self.signed.lock().unwrap() += 1;
        }
        if self.secrets.lock().unwrap().iter().any(|secret| line.contains(secret)) {
            self.found.lock().unwrap().push(line.into_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
