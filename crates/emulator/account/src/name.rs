//! Validated names from the AWS API, used in paths, file names and container names.

use std::fmt;

/// The maximum length: a file name has at most 255 bytes, and prefixes and suffixes are added.
const MAX_LENGTH: usize = 128;

/// A validated name: ASCII letters, digits and hyphens, and no hyphen first. It is one segment of a path, and
/// never an option of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// Validates the name; returns the reason if it is invalid.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let is_known = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        let bytes = text.as_bytes();
        if bytes.len() <= MAX_LENGTH
            && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.iter().all(is_known)
        {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "{text:?} is no name that the emulator makes a path of: it takes letters, digits and hyphens, \
             {MAX_LENGTH} at most, and no hyphen first"
        ))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_of_a_path() {
        for name in ["orders-local", "A", "9", "a-", &"x".repeat(MAX_LENGTH)] {
            assert_eq!(Name::new(name).unwrap().as_str(), name);
        }
        for name in [
            "",
            "-rf",
            ".",
            "..",
            "/etc",
            "a/b",
            "a\\b",
            "a.b",
            "a b",
            "a\0",
            "a\n",
            "é",
            "a_b",
            &"x".repeat(MAX_LENGTH + 1),
        ] {
            assert!(Name::new(name).unwrap_err().contains("is no name"), "{name:?}");
        }
    }
}
