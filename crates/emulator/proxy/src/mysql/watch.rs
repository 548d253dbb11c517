//! What the proxy notices of a session: its end in order, and what RDS Proxy would pin it for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rds_iam_gateway::Frames;
use rds_iam_gateway::mysql::{ClientFrames, Command, refuse_change_user};

use crate::forward::END;
use crate::front::Front;
use crate::pinned::{Pinned, of_statement};

const COM_QUIT: u8 = 0x01;
const COM_QUERY: u8 = 0x03;
const COM_STMT_PREPARE: u8 = 0x16;

/// Changes whether several statements may be in one text, which a reset keeps.
const COM_SET_OPTION: u8 = 0x1b;

/// The state of a session.
pub(super) struct Watch {
    pinned: Pinned,
    has_option: AtomicBool,
}

impl Watch {
    /// Returns the reader of a client's commands, and the session's state.
    pub(super) fn start(front: Arc<Front>) -> (impl Frames + Unpin, Arc<Self>) {
        let watch = Arc::new(Self { pinned: Pinned::new(front), has_option: AtomicBool::new(false) });
        let observer = Arc::clone(&watch);
        (ClientFrames::with_observer(move |command| observer.observe(command)), watch)
    }

    /// Returns whether a reset leaves nothing of the session.
    pub(super) fn can_be_reset(&self) -> bool {
        !self.has_option.load(Relaxed)
    }

    fn observe(&self, command: Command<'_>) -> Option<Vec<u8>> {
        match command.byte {
            COM_QUIT => return Some(END),
            COM_SET_OPTION => self.has_option.store(true, Relaxed),
            _ => {}
        }
        if let Some(reason) = pins(&command) {
            self.pinned.report(reason);
        }
        refuse_change_user(command)
    }
}

/// Returns the reason for which RDS Proxy pins a session at this command, in the words of its log.
fn pins(command: &Command<'_>) -> Option<&'static str> {
    match command.byte {
        COM_STMT_PREPARE => Some("A protocol-level prepared statement was detected."),
        COM_QUERY => of_statement(command.length, command.head, pins_by_words),
        _ => None,
    }
}

fn pins_by_words(first: &str, second: &str) -> Option<&'static str> {
    match (first, second) {
        // Variables that RDS Proxy tracks itself.
        ("set", "names" | "autocommit" | "character" | "charset" | "transaction") => None,
        ("set", word) if word.starts_with("character_set_") || word.starts_with("collation_") => None,
        ("set", _) => Some("SQL changed session settings that the proxy doesn't track."),
        ("prepare", _) => Some("A SQL-level prepared statement was detected."),
        ("lock", "tables" | "table") | ("flush", "tables" | "table") => {
            Some("An explicit table lock was detected.")
        }
        ("create", "temporary") => Some("A temporary table was created."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(byte: u8, text: &str) -> Option<&'static str> {
        let head = &text.as_bytes()[..text.len().min(64)];
        pins(&Command { byte, head, length: text.len() + 1 })
    }

    #[test]
    fn a_session_is_pinned_for_what_the_proxy_does_not_track() {
        for free in [
            "SELECT 1",
            "SET NAMES utf8mb4",
            " set autocommit=0",
            "SET character_set_results = NULL",
            "INSERT INTO t VALUES (1)",
        ] {
            assert_eq!(reason(COM_QUERY, free), None, "{free}");
        }
        assert!(reason(COM_QUERY, "SET @x = 1").unwrap().contains("session settings"));
        assert!(reason(COM_QUERY, "set\tsql_mode=''").unwrap().contains("session settings"));
        assert!(reason(COM_QUERY, "CREATE TEMPORARY TABLE t (a INT)").unwrap().contains("temporary"));
        assert!(reason(COM_STMT_PREPARE, "SELECT ?").unwrap().contains("prepared"));
        assert_eq!(reason(COM_SET_OPTION, ""), None);
    }
}
