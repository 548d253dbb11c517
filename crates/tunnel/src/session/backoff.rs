//! The pauses between attempts to resume or to replace a session: the first one or up to twice as long, doubled each
//! time, up to a limit.

use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, next: first }
    }

    /// Starts again with the first pause: a connection has lasted, or an attempt has succeeded.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    /// Returns the next pause. `random` is from 0 to 1, so that many clients do not come back at once.
    pub(crate) fn next(&mut self, random: f64) -> Duration {
        let pause = self.next.mul_f64(1.0 + random.clamp(0.0, 1.0)).min(self.max);
        self.next = (self.next * 2).min(self.max);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit() {
        let pauses = |backoff: &mut Backoff, random| -> Vec<u128> {
            (0..8).map(|_| backoff.next(random).as_millis()).collect()
        };
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        assert_eq!(pauses(&mut backoff, 0.0), [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        backoff.reset();
        assert_eq!(pauses(&mut backoff, 1.0), [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    }
}
