//! Suspensions of the machine, such as of a laptop that is closed. On Linux and macOS, the monotonic clock does not
//! count them, nor do timers; the wall clock does. Afterwards the network may have forgotten the connection, without a
//! sign of it.

use std::time::{Duration, Instant, SystemTime};

/// The time by which the wall clock has to advance more than the monotonic one. A clock that is set right in steps
/// differs by less.
const LEAP: Duration = Duration::from_secs(15);

/// The payload of the ping after a suspension: the pong of an earlier ping may have arrived before.
pub(super) const PING: &[u8] = b"awake";

/// The comparison of the clocks while a connection lasts, and the ping that follows a suspension.
#[derive(Debug)]
pub(super) struct Suspension {
    wall_clock: fn() -> SystemTime,
    /// The time between comparisons, and the limit of an answer.
    interval: Duration,
    /// The times of the last comparison.
    compared: (Instant, SystemTime),
    /// The time from which the answer is awaited.
    asked: Option<Instant>,
    /// Whether the ping has to be sent.
    wants_ping: bool,
}

impl Suspension {
    pub(super) fn new(wall_clock: fn() -> SystemTime, interval: Duration, now: Instant) -> Self {
        Self { wall_clock, interval, compared: (now, wall_clock()), asked: None, wants_ping: false }
    }

    /// Returns whether the machine was suspended since the last comparison. A wall clock that was set forward has the
    /// same effect, and one that was set back has none.
    pub(super) fn is_noticed(&mut self, now: Instant) -> bool {
        let wall = (self.wall_clock)();
        let (then, wall_then) = std::mem::replace(&mut self.compared, (now, wall));
        let elapsed = now.saturating_duration_since(then);
        wall.duration_since(wall_then).is_ok_and(|advance| advance > elapsed + LEAP)
    }

    /// Requests a ping, and limits the time for its answer.
    pub(super) fn ask(&mut self, now: Instant) {
        self.asked = Some(now);
        self.wants_ping = true;
    }

    /// Returns whether the ping is sent now.
    pub(super) fn should_ping(&mut self) -> bool {
        std::mem::take(&mut self.wants_ping)
    }

    /// Notes a pong: the connection has survived if it answers the ping.
    pub(super) fn receive_pong(&mut self, payload: &[u8]) {
        if payload == PING {
            self.asked = None;
        }
    }

    /// Starts the time for the answer again: nothing is read now.
    pub(super) fn postpone(&mut self, now: Instant) {
        if let Some(asked) = &mut self.asked {
            *asked = now;
        }
    }

    /// Returns whether the answer did not arrive in time.
    pub(super) fn is_unanswered(&self, now: Instant) -> bool {
        self.asked.is_some_and(|asked| asked + self.interval <= now)
    }

    /// Returns the time of the next comparison, or of the end of the time for the answer.
    pub(super) fn next_timeout(&self) -> Instant {
        let (compared, _) = self.compared;
        // The answer is awaited from a comparison, or later.
        self.asked.map_or(compared, |asked| asked.min(compared)) + self.interval
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// The wall clock of this test, in seconds.
        static WALL: Cell<u64> = const { Cell::new(1000) };
    }

    fn wall_clock() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(WALL.get())
    }

    #[test]
    fn only_a_wall_clock_that_advances_much_more_than_the_other_is_noticed() {
        let start = Instant::now();
        WALL.set(1000);
        let mut suspension = Suspension::new(wall_clock, Duration::from_secs(5), start);
        for (seconds, wall, is_noticed) in [
            (5, 1005, false),
            // An hour without a comparison, such as of a process that was stopped.
            (3605, 4605, false),
            // Set forward a little, and then back by much.
            (3610, 4625, false),
            (3615, 30, false),
            (3620, 35, false),
            // Set forward, or suspended.
            (3625, 4000, true),
            (3630, 4005, false),
        ] {
            WALL.set(wall);
            let now = start + Duration::from_secs(seconds);
            assert_eq!(suspension.is_noticed(now), is_noticed, "{seconds} s, {wall} s");
        }
    }

    #[test]
    fn a_suspension_asks_for_one_ping_and_its_pong() {
        let start = Instant::now();
        let interval = Duration::from_secs(5);
        let mut suspension = Suspension::new(wall_clock, interval, start);
        assert!(!suspension.should_ping());
        suspension.ask(start);
        assert!(suspension.should_ping());
        assert!(!suspension.should_ping(), "it is sent once");
        assert_eq!(suspension.next_timeout(), start + interval);
        suspension.receive_pong(b"keepalive");
        assert!(suspension.is_unanswered(start + interval));
        // While nothing is read, there can be no answer.
        suspension.postpone(start + interval);
        assert!(!suspension.is_unanswered(start + interval));
        suspension.receive_pong(PING);
        assert!(!suspension.is_unanswered(start + 2 * interval));
    }
}
