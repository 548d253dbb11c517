//! `Token`: a signed IAM authentication token with its times. Its text is kept out of `Debug` output and wiped
//! from memory.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use crate::MAX_CLOCK_SKEW;

/// A signed token: the password for one login, worth as much as one until it expires.
///
/// It has no `Display`, its `Debug` shows only its times, and its memory is wiped when the last
/// clone is dropped. Clones share one text. [`expose`](Self::expose) returns the text for a driver.
#[derive(Clone)]
pub struct Token(Arc<Signed>);

struct Signed {
    text: Zeroizing<String>,
    signed_at: SystemTime,
    expires_at: SystemTime,
}

impl Token {
    pub(crate) fn new(text: Zeroizing<String>, signed_at: SystemTime, expires_at: SystemTime) -> Self {
        Self(Arc::new(Signed { text, signed_at, expires_at }))
    }

    /// Returns the token's text, for the driver that logs in with it. Never write it anywhere.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0.text
    }

    /// Returns the time at which it was signed, by the signer's clock.
    #[must_use]
    pub fn signed_at(&self) -> SystemTime {
        self.0.signed_at
    }

    /// Returns the time at which it expires: 900 s after signing, or earlier with the credentials that signed it.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.0.expires_at
    }

    /// Returns its remaining life at `now`: zero once it has expired, or if it was signed more than
    /// [`MAX_CLOCK_SKEW`] after `now`. In the second case the clock was set back, and no server accepts the token.
    #[must_use]
    pub fn remaining(&self, now: SystemTime) -> Duration {
        match self.0.signed_at.duration_since(now) {
            Ok(ahead) if ahead > MAX_CLOCK_SKEW => Duration::ZERO,
            _ => self.0.expires_at.duration_since(now).unwrap_or(Duration::ZERO),
        }
    }

    /// Returns the time since it was signed; zero if it was signed after `now`.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.0.signed_at).unwrap_or(Duration::ZERO)
    }

    /// Returns whether both are clones of one token, as opposed to equal texts.
    #[must_use]
    pub fn is_same(&self, other: &Token) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("text", &"redacted")
            .field("signed_at", &self.0.signed_at)
            .field("expires_at", &self.0.expires_at)
            .finish()
    }
}
