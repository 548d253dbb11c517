//! What RDS Proxy would pin a session to its connection for: what both engines read of a statement, and the report.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::front::Front;

/// The length of a statement from which RDS Proxy pins a session: 16 KB.
const LONG: usize = 16 * 1024;

/// Whether a session has been reported as pinned.
pub(crate) struct Pinned {
    front: Arc<Front>,
    is_reported: AtomicBool,
}

impl Pinned {
    pub(crate) fn new(front: Arc<Front>) -> Self {
        Self { front, is_reported: AtomicBool::new(false) }
    }

    /// Reports and counts the session's first reason, in the words of RDS Proxy's log.
    pub(crate) fn report(&self, reason: &'static str) {
        if !self.is_reported.swap(true, Relaxed) {
            tracing::debug!(reason, "RDS Proxy would pin the client's session to its connection");
            self.front.counters.count_pinned(reason);
        }
    }
}

/// Returns the reason for which RDS Proxy pins a session at a statement of `length` bytes that begins with `start`: its
/// length, or what `by_words` says about its first two words in lower case.
///
/// What follows a comment is not noticed.
pub(crate) fn of_statement(
    length: usize,
    start: &[u8],
    by_words: impl FnOnce(&str, &str) -> Option<&'static str>,
) -> Option<&'static str> {
    if length > LONG {
        return Some("The connection ran a SQL query which exceeded the 16384 byte limit.");
    }
    let text = String::from_utf8_lossy(start).to_ascii_lowercase();
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    by_words(words.next()?, words.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_statement_pins_whatever_its_words() {
        let nothing = |_: &str, _: &str| None;
        assert_eq!(of_statement(LONG, b"SELECT", nothing), None);
        assert!(of_statement(LONG + 1, b"SELECT", nothing).unwrap().contains("16384"));
    }

    #[test]
    fn the_first_two_words_decide() {
        let words = |first: &str, second: &str| (first == "set" && second == "names").then_some("both");
        assert_eq!(of_statement(9, b"\tSET\nNames", words), Some("both"));
        assert_eq!(of_statement(9, b"SET", words), None);
        assert_eq!(of_statement(0, b"", words), None);
    }
}
