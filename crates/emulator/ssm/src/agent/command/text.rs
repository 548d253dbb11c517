//! Output in messages that do not split a character.

use bytes::{Bytes, BytesMut};

/// Output that is passed on in whole characters.
#[derive(Debug, Default)]
pub(super) struct Text {
    rest: BytesMut,
}

impl Text {
    /// Returns the bytes to pass on. The beginning of a character at their end is kept.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Bytes {
        self.rest.extend_from_slice(bytes);
        let kept = incomplete(&self.rest);
        self.rest.split_to(self.rest.len() - kept).freeze()
    }

    /// Returns what is left at the end of the output.
    pub(super) fn finish(self) -> Bytes {
        self.rest.freeze()
    }
}

/// Returns the number of bytes at the end that begin a character, and could be continued.
fn incomplete(bytes: &[u8]) -> usize {
    let longest = bytes.len().min(3);
    let start = (1..=longest).find(|length| bytes[bytes.len() - length] & 0b1100_0000 != 0b1000_0000);
    let Some(length) = start else { return 0 };
    match std::str::from_utf8(&bytes[bytes.len() - length..]) {
        Err(error) if error.error_len().is_none() => length,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_not_split_and_other_bytes_pass() {
        let mut text = Text::default();
        let euro = "€".as_bytes();
        assert_eq!(text.push(&[b'a', euro[0], euro[1]]), "a");
        assert_eq!(text.push(&euro[2..]), "€");
        assert_eq!(text.push(b"\xff\xfe"), &b"\xff\xfe"[..]);
        assert_eq!(text.push(b"b\x80\x80"), &b"b\x80\x80"[..]);
        assert_eq!(text.push("é".as_bytes()), "é");
        assert_eq!(text.push(&[0xf0, 0x9f]), "");
        assert_eq!(text.finish(), &[0xf0, 0x9f][..]);
    }
}
