//! The messages of the board: `Text`, the validated text of a new message, and `Message`, a stored message with its
//! id and time.

use std::fmt;

use serde::{Serialize, Serializer};
use thiserror::Error;
use time::OffsetDateTime;

/// The largest number of characters (Unicode scalar values, as in MySQL) in a message.
pub(crate) const MAX_CHARS: usize = 1000;

/// The text of a message: trimmed, not empty, at most [`MAX_CHARS`] characters, no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(String);

impl Text {
    pub(crate) fn parse(given: &str) -> Result<Self, TextError> {
        let text = given.trim();
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        let count = text.chars().count();
        if count > MAX_CHARS {
            return Err(TextError::TooLong { count });
        }
        if let Some(found) = text.chars().find(|c| c.is_control()) {
            return Err(TextError::Control { code: u32::from(found) });
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// The error of a text that is not a valid message. For the visitor who typed it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum TextError {
    #[error("The message is empty. Write something first.")]
    Empty,
    #[error("The message has {count} characters; at most {MAX_CHARS} are allowed.")]
    TooLong { count: usize },
    #[error("The message holds the control character U+{code:04X}. Remove it.")]
    Control { code: u32 },
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Message {
    pub(crate) id: u64,
    pub(crate) message: String,
    pub(crate) created_at: Timestamp,
}

/// A time in milliseconds since 1970. `Display` writes RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp(pub(crate) i64);

impl Timestamp {
    fn civil(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// Formats the time for readers, to the minute.
    pub(crate) fn for_people(self) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            let t = self.civil();
            let (year, month, day) = t.to_calendar_date();
            write!(f, "{day} {} {year}, {:02}:{:02} UTC", &month.to_string()[..3], t.hour(), t.minute())
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.civil();
        let (year, month, day) = t.to_calendar_date();
        let (hour, minute, second, milli) = t.to_hms_milli();
        let month = u8::from(month);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        assert_eq!(Text::parse("  hello \n").unwrap().as_str(), "hello");
        assert_eq!(Text::parse(&"ü".repeat(MAX_CHARS)).unwrap().as_str().chars().count(), MAX_CHARS);
        assert_eq!(Text::parse(&"x".repeat(1001)), Err(TextError::TooLong { count: 1001 }));
        for empty in ["", " ", "\n\t\u{a0}"] {
            assert_eq!(Text::parse(empty), Err(TextError::Empty), "{empty:?}");
        }
        for (text, code) in [("a\0b", 0), ("a\nb", 10), ("a\u{7f}b", 0x7f), ("a\u{85}b", 0x85)] {
            assert_eq!(Text::parse(text), Err(TextError::Control { code }), "{text:?}");
        }
        insta::assert_snapshot!(Text::parse("a\nb").unwrap_err(), @"The message holds the control character U+000A. Remove it.");
    }

    #[test]
    fn moments() {
        let moment = Timestamp(1_795_212_183_042);
        assert_eq!(moment.to_string(), "2026-11-20T22:03:03.042Z");
        assert_eq!(moment.for_people().to_string(), "20 Nov 2026, 22:03 UTC");
        assert_eq!(Timestamp(i64::MAX).to_string(), "1970-01-01T00:00:00.000Z");
    }
}
