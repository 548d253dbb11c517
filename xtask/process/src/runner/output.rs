//! The output of a program: forwarded without secrets, with its last lines kept.

use std::collections::VecDeque;
use std::io::{self, PipeReader, Read, Write};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Instant;

use super::failed_tests::FailedTests;
use super::secrets;

/// The number of lines of a failed command's output that its report repeats.
pub(super) const TAIL_LINES: usize = 20;
/// The length in bytes at which lines in the tail are cut (a linker's command line is tens of kilobytes).
pub(super) const TAIL_LINE_BYTES: usize = 400;

/// The length in bytes at which a line is forwarded before it ends.
const LONGEST_LINE: usize = 64 * 1024;

/// Forwards the output line by line, without the secrets of this process's environment, and keeps its last
/// lines.
pub(super) fn copy(mut from: PipeReader, to: &mut impl Write, tail: &Mutex<TailBuffer>) -> io::Result<()> {
    let (mut buffer, mut open) = ([0; 8192], Vec::new());
    let mut pass_on = |line: &[u8]| {
        let line = secrets::redacted(line);
        tail.lock().unwrap_or_else(PoisonError::into_inner).push(&line);
        // A closed reader does not stop the work; keep draining the pipe.
        drop(to.write_all(&line).and_then(|()| to.flush()));
    };
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => {
                pass_on(&open);
                return Ok(());
            }
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        // A secret may span two reads, but not two lines; a line without an end is cut eventually.
        let end = buffer[..read].iter().rposition(|byte| matches!(byte, b'\n' | b'\r'));
        let end = end.map_or(0, |end| end + 1);
        open.extend_from_slice(&buffer[..end]);
        if end > 0 || open.len() > LONGEST_LINE {
            pass_on(&open);
            open.clear();
        }
        open.extend_from_slice(&buffer[end..read]);
    }
}

/// Reads all of a stream on a separate thread, so that neither of two streams blocks because it is not read.
pub(super) fn collect(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (done, collected) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // The output before a broken pipe is still the answer; the exit status reports the failure.
            drop(stream.read_to_end(&mut bytes));
        }
        drop(done.send(bytes));
    });
    collected
}

/// The last lines of an output, limited in number and length.
#[derive(Debug, Default)]
pub(super) struct TailBuffer {
    lines: VecDeque<String>,
    open: Vec<u8>,
    overdrawn: bool,
    last: Option<Instant>,
    tests: FailedTests,
}

impl TailBuffer {
    /// Returns the time of the last output.
    pub(super) fn last_output(&self) -> Option<Instant> {
        self.last
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.last = Some(Instant::now());
        for &byte in bytes {
            match byte {
                b'\n' => self.close(),
                b'\r' => self.overdrawn = true,
                _ => {
                    // A progress bar overwrites itself: only its last state was visible.
                    if std::mem::take(&mut self.overdrawn) {
                        self.open.clear();
                    }
                    if self.open.len() < TAIL_LINE_BYTES {
                        self.open.push(byte);
                    }
                }
            }
        }
    }

    fn close(&mut self) {
        let line = without_escapes(&String::from_utf8_lossy(&self.open)).trim_end().to_owned();
        self.open.clear();
        self.overdrawn = false;
        self.tests.read(&line);
        if line.is_empty() {
            return;
        }
        if self.lines.len() == TAIL_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// Returns the help for failed tests, with all their names: they are printed before the last lines.
    pub(super) fn failed_tests(&self) -> Option<String> {
        self.tests.help()
    }

    pub(super) fn lines(&mut self) -> Vec<String> {
        self.close();
        self.lines.iter().cloned().collect()
    }
}

/// Returns the text without terminal control sequences: a truncated sequence would colour the following text.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, sequence)) = rest.split_once('\x1b') {
        plain.push_str(before);
        // A sequence ends with a letter; a sequence without one was cut off.
        rest = sequence.find(|c: char| c.is_ascii_alphabetic()).map_or("", |end| &sequence[end + 1..]);
    }
    plain + rest
}
