//! Durations in the form of Go's `time.ParseDuration`: `30m`, `1h30m`, `1.5h`, `300ms`.

use std::time::Duration;

use crate::LONGEST;

/// The error of a duration. It has no part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DurationError {
    #[error("is not a duration: write a number and a unit, such as 30m, 1h30m or 500ms")]
    Malformed,
    #[error("is a number without a unit: write it with one, such as 30m, 1h30m or 500ms")]
    NoUnit,
    #[error("has an unknown unit: use h, m, s or ms, such as 1h30m")]
    UnknownUnit,
    #[error("is negative: write a duration such as 30m")]
    Negative,
    #[error("is longer than 30 days: write 720h or less")]
    TooLong,
}

/// The units, with their nanoseconds.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 60 * 60 * 1_000_000_000),
];

/// Parses a duration of at most [`LONGEST`]. Only `0` may have no unit.
pub(super) fn parse(text: &str) -> Result<Duration, DurationError> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if text.starts_with('-') && unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(DurationError::Negative);
    }
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = unsigned;
    let mut total = 0_u128;
    while !rest.is_empty() {
        let (nanoseconds, after) = component(rest)?;
        total = total
            .checked_add(nanoseconds)
            .filter(|sum| *sum <= LONGEST.as_nanos())
            .ok_or(DurationError::TooLong)?;
        rest = after;
    }
    match u64::try_from(total) {
        Ok(nanoseconds) if !unsigned.is_empty() => Ok(Duration::from_nanos(nanoseconds)),
        _ => Err(DurationError::Malformed),
    }
}

/// Reads a number and its unit, and returns the text after them.
fn component(text: &str) -> Result<(u128, &str), DurationError> {
    let (whole, text) = digits(text);
    let (fraction, text) = text.strip_prefix('.').map_or(("", text), digits);
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::Malformed);
    }
    let end = text.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(text.len());
    let (unit, after) = text.split_at(end);
    if unit.is_empty() {
        return Err(DurationError::NoUnit);
    }
    let (_, nanoseconds) =
        UNITS.into_iter().find(|(name, _)| *name == unit).ok_or(DurationError::UnknownUnit)?;
    let whole = if whole.is_empty() { Some(0) } else { whole.parse::<u128>().ok() };
    let whole = whole.and_then(|n| n.checked_mul(nanoseconds)).ok_or(DurationError::TooLong)?;
    // More digits are below a nanosecond.
    let (mut value, mut place) = (0, nanoseconds);
    for digit in fraction.bytes().take(18) {
        value = value * 10 + u128::from(digit - b'0');
        place *= 10;
    }
    let fraction = value * nanoseconds / (place / nanoseconds);
    Ok((whole.saturating_add(fraction), after))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_in_go_s_form() {
        for (text, milliseconds) in [
            ("1h", 3_600_000),
            ("30m", 1_800_000),
            ("10s", 10_000),
            ("+5s", 5_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("5.s", 5_000),
            ("300ms", 300),
            ("2h45m30.5s", 9_930_500),
            ("1500000us", 1_500),
            ("2000000µs", 2_000),
            ("2000000μs", 2_000),
            ("3000000ns", 3),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(parse("720h"), Ok(LONGEST));
        assert_eq!(parse("0.3333333333333333333333h"), Ok(Duration::from_nanos(1_199_999_999_999)));
    }

    #[test]
    fn a_number_without_unit_is_refused() {
        for (text, error) in [
            ("30", DurationError::NoUnit),
            ("1h30", DurationError::NoUnit),
            ("1.5", DurationError::NoUnit),
            ("", DurationError::Malformed),
            ("+", DurationError::Malformed),
            ("h", DurationError::Malformed),
            (".s", DurationError::Malformed),
            ("1h ", DurationError::UnknownUnit),
            (" 1h", DurationError::Malformed),
            ("1d", DurationError::UnknownUnit),
            ("1H", DurationError::UnknownUnit),
            ("30 minutes", DurationError::UnknownUnit),
            ("-1h", DurationError::Negative),
            ("-0", DurationError::Negative),
            ("-h", DurationError::Malformed),
            ("720h1ns", DurationError::TooLong),
            ("2592000000000001ns", DurationError::TooLong),
            ("99999999999999999999999999999999999999999999h", DurationError::TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_sum_of_units_is_read(h in 0_u64..700, m in 0_u64..100, s in 0_u64..100, ms in 0_u64..10_000) {
            let expected = Duration::from_millis(((h * 60 + m) * 60 + s) * 1_000 + ms);
            prop_assert_eq!(parse(&format!("{h}h{m}m{s}s{ms}ms")), Ok(expected));
            prop_assert_eq!(parse(&format!("{h}h{m}m{s}.{ms:04}s")).is_ok(), true);
        }

        #[test]
        fn any_text_ends_without_panic(text in "[0-9.hmsnuµ+-]{0,40}") {
            if let Ok(time) = parse(&text) {
                prop_assert!(time <= LONGEST);
            }
        }
    }
}
