//! The time at which to refresh a token, and the wait before a retry, as pure functions.

use std::time::{Duration, SystemTime};

/// The shortest remaining life of a token that is returned while a newer one can be signed: 60 seconds, which
/// covers a slow connect and small clock differences.
pub const MIN_REMAINING: Duration = Duration::from_secs(60);

/// The spread of the refresh around the half-life, as a share of it: ± 10 %, so that
/// programs started together do not sign together.
const SPREAD: f64 = 0.1;

/// The shortest wait after a failed refresh: 1 second. Also the least time between two signings.
pub(crate) const MIN_RETRY: Duration = Duration::from_secs(1);

/// The longest wait after a failed refresh: 30 seconds, half of [`MIN_REMAINING`], so that at
/// least two attempts are made before a token expires.
const MAX_RETRY: Duration = Duration::from_secs(30);

/// Returns the time at which to replace a token that was signed at `signed_at` and expires at `expires_at`: at half
/// its life, moved by up to ± 10 % of that. `random` is uniform in 0 to 1.
///
/// ```
/// # use std::time::{Duration, SystemTime};
/// let start = SystemTime::UNIX_EPOCH;
/// let end = start + rds_iam_token::LIFETIME;
/// assert_eq!(rds_iam_token::refresh_at(start, end, 0.5), start + Duration::from_secs(450));
/// ```
#[must_use]
pub fn refresh_at(signed_at: SystemTime, expires_at: SystemTime, random: f64) -> SystemTime {
    let half_life = expires_at.duration_since(signed_at).unwrap_or_default() / 2;
    signed_at + half_life.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * random.clamp(0.0, 1.0))
}

/// Returns the wait after the `failures`-th failure in a row (from 1): full jitter between 1 s and a
/// bound that doubles from 2 s to 30 s. `random` is uniform in 0 to 1.
#[must_use]
pub fn retry_delay(failures: u32, random: f64) -> Duration {
    let bound = MIN_RETRY.saturating_mul(2u32.saturating_pow(failures)).min(MAX_RETRY);
    MIN_RETRY + bound.saturating_sub(MIN_RETRY).mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refresh_moment() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (life, random, after) in [
            (900.0, 0.0, 405.0),
            (900.0, 0.5, 450.0),
            (900.0, 1.0, 495.0),
            (60.0, 0.5, 30.0),
            (1.0, 0.0, 0.45),
            (0.0, 1.0, 0.0),
            (900.0, 7.0, 495.0),
        ] {
            let end = start + Duration::from_secs_f64(life);
            let wait = refresh_at(start, end, random).duration_since(start).unwrap().as_secs_f64();
            assert!((wait - after).abs() < 1e-6, "life {life}, random {random}: {wait}");
        }
        assert_eq!(refresh_at(start, start - Duration::from_secs(5), 0.5), start, "already over: at once");
    }

    #[test]
    fn waits_after_failures() {
        for (failures, random, wait) in [
            (1, 0.0, 1.0),
            (1, 1.0, 2.0),
            (2, 1.0, 4.0),
            (4, 1.0, 16.0),
            (5, 1.0, 30.0),
            (5, 0.5, 15.5),
            (u32::MAX, 1.0, 30.0),
            (u32::MAX, 0.0, 1.0),
        ] {
            assert_eq!(retry_delay(failures, random), Duration::from_secs_f64(wait), "{failures} {random}");
        }
    }
}
