//! A token that cannot be printed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use crate::MAX_CLOCK_SKEW;

/// A signed token: the password for one login, worth as much as one until it expires.
///
/// It has no `Display`, its `Debug` shows only its times, and its memory is wiped when the last
/// clone goes. Clones share one text. [`expose`](Self::expose) hands the text to a driver.
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

    /// The token's text, for the driver that logs in with it. Never write it anywhere.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0.text
    }

    /// When it was signed, by the signer's clock.
    #[must_use]
    pub fn signed_at(&self) -> SystemTime {
        self.0.signed_at
    }

    /// When it ends: 900 s after signing, or earlier with the credentials that signed it.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.0.expires_at
    }

    /// How long it lives from `now` on; zero once it has expired, and where it was signed more than
    /// [`MAX_CLOCK_SKEW`] after `now`: a clock that was set back since then has it look fresh for long, while
    /// no server accepts it.
    #[must_use]
    pub fn remaining(&self, now: SystemTime) -> Duration {
        match self.0.signed_at.duration_since(now) {
            Ok(ahead) if ahead > MAX_CLOCK_SKEW => Duration::ZERO,
            _ => self.0.expires_at.duration_since(now).unwrap_or(Duration::ZERO),
        }
    }

    /// How long ago it was signed; zero if that lies in the future of `now`.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.0.signed_at).unwrap_or(Duration::ZERO)
    }

    /// Whether both are the same signing, not merely equal texts.
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
