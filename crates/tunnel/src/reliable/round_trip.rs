//! The time after which a message is sent again, as both official ends compute it.

use std::time::Duration;

/// The timeout before the first measurement.
const FIRST_TIMEOUT: Duration = Duration::from_millis(200);

/// The round trip before the first measurement.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);

/// The least difference between the round trip and the timeout.
const GRANULARITY: Duration = Duration::from_millis(10);

/// The longest timeout.
pub(super) const MAX_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest measurement. A sleep of the machine is no round trip. The limit also keeps sums in range.
pub(super) const MAX_SAMPLE: Duration = Duration::from_secs(10);

/// The measured round trip.
#[derive(Debug)]
pub(super) struct RoundTrip {
    smoothed: Duration,
    variation: Duration,
    timeout: Duration,
}

impl RoundTrip {
    pub(super) fn new() -> Self {
        Self { smoothed: FIRST_ROUND_TRIP, variation: Duration::ZERO, timeout: FIRST_TIMEOUT }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Adds a measurement, with the weights 1/8 and 1/4.
    pub(super) fn observe(&mut self, sample: Duration) {
        let sample = sample.min(MAX_SAMPLE);
        self.variation = self.variation * 3 / 4 + self.smoothed.abs_diff(sample) / 4;
        self.smoothed = self.smoothed * 7 / 8 + sample / 8;
        self.timeout = (self.smoothed + GRANULARITY.max(self.variation * 4)).min(MAX_TIMEOUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout_after(samples: &[u64]) -> u128 {
        let mut round_trip = RoundTrip::new();
        samples.iter().for_each(|ms| round_trip.observe(Duration::from_millis(*ms)));
        round_trip.timeout().as_millis()
    }

    #[test]
    fn the_timeout_follows_the_round_trip() {
        assert_eq!(timeout_after(&[]), 200);
        assert_eq!(timeout_after(&[100]), 110);
        // 100 × 7/8 + 20/8 = 90, variation (100 - 20)/4 = 20.
        assert_eq!(timeout_after(&[20]), 170);
        assert_eq!(timeout_after(&[2; 100]), 12);
        assert_eq!(timeout_after(&[3_600_000]), 1000);
    }
}
