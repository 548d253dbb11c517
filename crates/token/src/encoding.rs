//! Encodes and decodes SigV4's percent-encoding, which leaves only RFC 3986's unreserved characters plain.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_encode};

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Encodes `bytes` in SigV4's format of a query name or value.
pub(crate) fn encode(bytes: &[u8]) -> PercentEncode<'_> {
    percent_encode(bytes, RESERVED)
}

/// Reverses [`encode`]. Returns `None` if a `%` is not followed by two hexadecimal digits.
///
/// A `+` stays a `+`: SigV4 does not use the form encoding in which it means a space.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |b: u8| char::from(b).to_digit(16);
            let high = digit(bytes.next()?)?;
            let low = digit(bytes.next()?)?;
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_of_every_byte() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all).to_string()), Some(all));
    }

    #[test]
    fn broken_escapes_are_refused() {
        for text in ["%", "%2", "%zz", "a%+1", "%2\u{e9}"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    #[test]
    fn plus_is_not_a_space() {
        assert_eq!(decode("a+b"), Some(b"a+b".to_vec()));
    }
}
