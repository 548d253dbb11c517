//! The password that clients of this process's listeners give: made at each start, and worth nothing anywhere else.

use std::fmt;
use std::hint::black_box;

use zeroize::Zeroizing;

/// A random password of 32 hexadecimal digits. It opens a local listener, never a database.
#[derive(Clone)]
pub struct LocalPassword(Zeroizing<String>);

impl LocalPassword {
    /// Creates a random password.
    ///
    /// # Errors
    /// Returns an error if the system has no random numbers.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = Zeroizing::new([0; 16]);
        aws_lc_rs::rand::fill(&mut *bytes)
            .map_err(|_| std::io::Error::other("the system has no random numbers"))?;
        let mut text = Zeroizing::new(String::with_capacity(32));
        for byte in *bytes {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
        Ok(Self(text))
    }

    /// Returns the password, to be given to the program that connects.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LocalPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalPassword")
    }
}

/// Compares in a time that depends on the lengths only.
pub(crate) fn is_equal(given: &[u8], expected: &[u8]) -> bool {
    let difference = given.iter().zip(expected).fold(0, |difference, (a, b)| black_box(difference | (a ^ b)));
    given.len() == expected.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_and_none_is_printed() {
        let (one, other) = (LocalPassword::random().unwrap(), LocalPassword::random().unwrap());
        assert_eq!(one.expose().len(), 32);
        assert_ne!(one.expose(), other.expose());
        assert!(!format!("{one:?}").contains(one.expose()));
    }
}
