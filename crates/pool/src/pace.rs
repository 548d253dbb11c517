//! How fast new connections may be opened, and how far apart old ones retire: pure functions of time,
//! and the small state around them.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Spaces out new connections: `burst` at once, then one every `interval`.
#[derive(Debug)]
pub(crate) struct Pace {
    interval: Duration,
    burst: u32,
    /// When the next connection would be due without any burst. Whoever waits for its turn holds it, so
    /// turns come in order.
    due: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, burst: burst.max(1), due: Mutex::new(Instant::now()) }
    }

    /// Waits until a connection may be opened, and counts it if one is `wanted` then. A caller that gives
    /// up before costs nothing: a server that was away for long leaves no debt behind.
    pub(crate) async fn turn(&self, wanted: impl FnOnce() -> bool) {
        let mut due = self.due.lock().await;
        let (admitted, next) = admit(Instant::now(), *due, self.interval, self.burst);
        tokio::time::sleep_until(admitted).await;
        if wanted() {
            *due = next;
        }
    }
}

/// The generic cell rate algorithm: given when the last one was due, when this one may go and when
/// the next is due.
fn admit(now: Instant, due: Instant, interval: Duration, burst: u32) -> (Instant, Instant) {
    let due = due.max(now);
    let credit = interval * (burst - 1);
    let admitted = due.checked_sub(credit).map_or(now, |at| at.max(now));
    (admitted, due + interval)
}

/// Whether a connection of this `age` should retire when it is returned, given how long ago the last
/// one did. From four fifths of `lifetime` on, one at a time, so that connections opened together do
/// not end together.
pub(crate) fn retires(age: Duration, since_last: Duration, lifetime: Duration, connections: u32) -> bool {
    age >= lifetime.mul_f64(0.8) && since_last >= lifetime.mul_f64(0.2) / connections.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_burst_then_one_per_interval() {
        let start = Instant::now();
        let mut due = start;
        let mut waits = Vec::new();
        for _ in 0..6 {
            let (admitted, next) = admit(start, due, 50 * MS, 3);
            waits.push((admitted - start).as_millis());
            due = next;
        }
        assert_eq!(waits, [0, 0, 0, 50, 100, 150]);
        // After a rest the whole burst is there again, and not more.
        let later = start + Duration::from_secs(9);
        let mut waits = Vec::new();
        for _ in 0..4 {
            let (admitted, next) = admit(later, due, 50 * MS, 3);
            waits.push((admitted - later).as_millis());
            due = next;
        }
        assert_eq!(waits, [0, 0, 0, 50]);
    }

    #[test]
    fn never_more_than_the_rate_allows_in_any_second() {
        let start = Instant::now();
        let (mut now, mut due) = (start, start);
        let mut admitted = Vec::new();
        for step in 0..2_000u32 {
            now += Duration::from_micros(u64::from(step * 7919 % 9000));
            let (at, next) = admit(now, due, Duration::from_secs(1) / 20, 10);
            due = next;
            admitted.push(at);
        }
        for (index, first) in admitted.iter().enumerate() {
            let within =
                admitted[index..].iter().take_while(|at| **at < *first + Duration::from_secs(1)).count();
            assert!(within <= 30, "{within} in a second");
        }
    }

    /// Polls once, then drops: a caller that gives up while it waits.
    async fn poll_once(turn: impl Future<Output = ()>) -> Option<()> {
        let mut turn = std::pin::pin!(turn);
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match turn.as_mut().poll(context) {
                std::task::Poll::Ready(()) => Some(()),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_or_needs_none_costs_nothing() {
        let pace = Pace::new(20, 1);
        pace.turn(|| true).await;
        for _ in 0..1_000 {
            assert_eq!(poll_once(pace.turn(|| true)).await, None);
        }
        let start = Instant::now();
        for _ in 0..1_000 {
            pace.turn(|| false).await;
        }
        pace.turn(|| true).await;
        assert!(start.elapsed() <= 50 * MS, "a debt of {:?}", start.elapsed());
    }

    #[test]
    fn connections_retire_one_after_another() {
        let life = Duration::from_secs(1800);
        assert!(!retires(Duration::from_secs(1439), life, life, 10));
        assert!(retires(Duration::from_secs(1440), Duration::from_secs(36), life, 10));
        assert!(!retires(Duration::from_secs(1440), Duration::from_secs(35), life, 10));
    }
}
