//! The pauses between attempts to resume a session: 100 to 200 ms at first, doubled each time, at most 5 s.

use std::time::Duration;

const MAX: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration) -> Self {
        Self { first, next: first }
    }

    /// Starts again with the first pause: a connection has lasted.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }

    /// Returns the next pause. `random` is from 0 to 1, so that many clients do not come back at once.
    pub(super) fn next(&mut self, random: f64) -> Duration {
        let pause = self.next.mul_f64(1.0 + random.clamp(0.0, 1.0)).min(MAX);
        self.next = (self.next * 2).min(MAX);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_seconds() {
        let pauses = |backoff: &mut Backoff, random| -> Vec<u128> {
            (0..8).map(|_| backoff.next(random).as_millis()).collect()
        };
        let mut backoff = Backoff::new(Duration::from_millis(100));
        assert_eq!(pauses(&mut backoff, 0.0), [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        backoff.reset();
        assert_eq!(pauses(&mut backoff, 1.0), [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    }
}
