//! The current Unix time, and conversions of Unix times to UTC dates and to and from RFC 3339.

use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime};

/// Seconds since 1970.
pub fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// Returns the UTC date of a Unix time.
pub fn date(seconds: i64) -> Date {
    OffsetDateTime::from_unix_timestamp(seconds).map_or(Date::MAX, OffsetDateTime::date)
}

/// Formats a Unix time as RFC 3339, such as `2026-01-31T12:00:00Z`.
pub fn rfc3339(seconds: i64) -> String {
    // Formatting fails only for years of more than four digits.
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// Parses an RFC 3339 time into seconds since 1970.
pub fn parse(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_and_read() {
        assert_eq!(rfc3339(1_790_000_000), "2026-09-21T14:13:20Z");
        assert_eq!(parse("2026-09-21T14:13:20Z"), Some(1_790_000_000));
        assert_eq!(parse("yesterday"), None);
    }
}
