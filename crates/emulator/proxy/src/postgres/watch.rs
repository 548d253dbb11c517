//! What the proxy notices of a session: its end in order, whether an answer is outstanding, and what RDS Proxy would
//! pin it for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

use rds_iam_gateway::postgres::{ClientFrames, Observer, ServerFrames};

use crate::forward::END;
use crate::front::Front;
use crate::pinned::{Pinned, of_statement};

/// The state of a session, which both directions change.
pub(super) struct Watch {
    pinned: Pinned,
    /// The requests for ReadyForQuery that have not been answered.
    outstanding: AtomicI64,
    /// Whether messages of the extended protocol were sent that no Sync has ended.
    is_unsynced: AtomicBool,
}

/// The client's messages.
pub(super) struct Requests(Arc<Watch>);

/// The server's messages.
pub(super) struct Answers(Arc<Watch>);

impl Watch {
    /// Returns the readers of a session's two directions, and its state.
    pub(super) fn start(front: Arc<Front>) -> (ClientFrames<Requests>, ServerFrames<Answers>, Arc<Self>) {
        let watch = Arc::new(Self {
            pinned: Pinned::new(front),
            outstanding: AtomicI64::new(0),
            is_unsynced: AtomicBool::new(false),
        });
        let requests = ClientFrames::new(Requests(Arc::clone(&watch)));
        (requests, ServerFrames::new(Answers(Arc::clone(&watch))), watch)
    }

    /// Returns whether everything that the client sent has been answered.
    pub(super) fn is_complete(&self) -> bool {
        self.outstanding.load(Relaxed) == 0 && !self.is_unsynced.load(Relaxed)
    }
}

impl Observer for Requests {
    const START: usize = 64;

    fn observe(&mut self, tag: u8, length: usize, start: &[u8]) -> Option<Vec<u8>> {
        let watch = &self.0;
        match tag {
            b'X' => return Some(END),
            b'S' => {
                watch.is_unsynced.store(false, Relaxed);
                watch.outstanding.fetch_add(1, Relaxed);
            }
            b'Q' | b'F' => {
                watch.outstanding.fetch_add(1, Relaxed);
            }
            // The data of COPY needs no Sync.
            b'd' | b'c' | b'f' => {}
            _ => watch.is_unsynced.store(true, Relaxed),
        }
        if let Some(reason) = pins(tag, length, start) {
            watch.pinned.report(reason);
        }
        None
    }
}

impl Observer for Answers {
    const START: usize = 0;

    fn observe(&mut self, tag: u8, _length: usize, _start: &[u8]) -> Option<Vec<u8>> {
        if tag == b'Z' {
            self.0.outstanding.fetch_sub(1, Relaxed);
        }
        None
    }
}

/// Returns the reason for which RDS Proxy pins a session at this message, in the words of its log.
fn pins(tag: u8, length: usize, start: &[u8]) -> Option<&'static str> {
    match tag {
        b'P' => Some("A parse message was detected."),
        b'Q' => of_statement(length, start, pins_by_words),
        _ => None,
    }
}

fn pins_by_words(first: &str, second: &str) -> Option<&'static str> {
    match (first, second) {
        ("set" | "reset" | "discard", _) => {
            Some("SQL changed session settings that the proxy doesn't track.")
        }
        ("prepare" | "deallocate" | "execute", _) => Some("A SQL-level prepared statement was detected."),
        ("declare", _) => Some("A cursor was declared."),
        ("create", "temporary" | "temp") => Some("A temporary table was created."),
        ("lock", _) => Some("An explicit table lock was detected."),
        ("listen", _) => Some("Notifications were requested."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_pinned_for_what_the_proxy_does_not_track() {
        let reason = |text: &str| pins(b'Q', text.len() + 1, &text.as_bytes()[..text.len().min(64)]);
        assert_eq!(reason("SELECT 1"), None);
        assert!(reason(" set search_path to x").unwrap().contains("session settings"));
        assert!(reason("CREATE TEMP TABLE t (a int)").unwrap().contains("temporary"));
        assert!(pins(b'P', 8, b"\0SELECT").unwrap().contains("parse"));
        assert_eq!(pins(b'B', 8, b""), None);
    }
}
