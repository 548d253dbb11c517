//! The messages that may be unacknowledged. The protocol has no window, and its loss says nothing about congestion: the
//! WebSocket below loses nothing. So the window follows the delay: it grows while acknowledgements come in time, and
//! shrinks when messages wait for longer than the network takes, before an agent that forwards slowly.

use std::time::{Duration, Instant};

use super::round_trip::{MAX_SAMPLE, MAX_TIMEOUT};

const FIRST: usize = 256;
/// The least window: enough for 0.3 MB/s when acknowledgements wait behind much data of the other direction.
const MIN: usize = 64;

/// The most messages: fewer than the 10,000 that official clients keep out of order.
pub(super) const MAX: usize = 8192;

/// The longest time for which messages should wait.
const QUEUE: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    /// The shortest round trip of the connection: what the network takes.
    floor: Option<Duration>,
    next_shrink: Option<Instant>,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { size: FIRST, floor: None, next_shrink: None }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Forgets the network's time: the next connection may take another path.
    pub(super) fn reconnected(&mut self) {
        self.floor = None;
    }

    /// Adds a measurement. That of a message that was sent again includes timeouts.
    pub(super) fn observe(&mut self, sample: Duration, was_resent: bool, now: Instant) {
        let sample = sample.min(MAX_SAMPLE);
        let floor = self.floor.unwrap_or(sample).min(sample);
        if !was_resent {
            self.floor = Some(floor);
        }
        let limit = floor + QUEUE + if was_resent { MAX_TIMEOUT } else { Duration::ZERO };
        if sample <= limit {
            self.size = (self.size + 1).min(MAX);
        } else if self.next_shrink.is_none_or(|next| next <= now) {
            self.size = (self.size * 3 / 4).max(MIN);
            self.next_shrink = Some(now + sample);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_window_grows_in_time_and_shrinks_when_messages_wait() {
        let now = Instant::now();
        let mut window = Window::new();
        (0..20_000).for_each(|_| window.observe(5 * MS, false, now));
        assert_eq!(window.size(), MAX);
        // Once for each round trip, not once for each message of it.
        (0..20_000).for_each(|_| window.observe(500 * MS, false, now));
        assert_eq!(window.size(), MAX * 3 / 4);
        for round in 1..100 {
            window.observe(500 * MS, false, now + round * 500 * MS);
        }
        assert_eq!(window.size(), MIN);
    }

    #[test]
    fn a_stall_of_an_hour_does_not_keep_it_from_shrinking() {
        let now = Instant::now();
        let mut window = Window::new();
        window.observe(5 * MS, false, now);
        window.observe(3_600_000 * MS, true, now);
        let after_stall = window.size();
        window.observe(500 * MS, false, now + MAX_SAMPLE);
        assert!(window.size() < after_stall);
    }

    #[test]
    fn a_lost_message_does_not_shrink_it() {
        let now = Instant::now();
        let mut window = Window::new();
        window.observe(50 * MS, false, now);
        let before = window.size();
        window.observe(1200 * MS, true, now);
        assert_eq!(window.size(), before + 1);
        window.observe(1300 * MS, true, now);
        assert!(window.size() < before);
    }
}
