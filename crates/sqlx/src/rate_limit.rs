//! The rate limit for new connections: a pure function of time, and its state.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// A rate limiter: admits `burst` connections at once, then one every `interval`.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    interval: Duration,
    burst: u32,
    /// The time at which the next connection would be admitted without a burst. A waiting caller holds the lock,
    /// so callers are admitted in order.
    next: Mutex<Instant>,
}

impl RateLimiter {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, burst: burst.max(1), next: Mutex::new(Instant::now()) }
    }

    /// Waits until a connection may be opened, and counts it if one is still `wanted` then. A caller that gives up
    /// earlier is not counted: after a long outage, the first connections are not delayed.
    pub(crate) async fn acquire(&self, wanted: impl FnOnce() -> bool) {
        let mut next = self.next.lock().await;
        let now = Instant::now();
        let (admitted, after) = admit(now, *next, self.interval, self.burst);
        // A timer takes a millisecond for nothing.
        if admitted > now {
            tokio::time::sleep_until(admitted).await;
        }
        if wanted() {
            *next = after;
        }
    }
}

/// The generic cell rate algorithm. `next` is the time of the next connection without a burst. Returns the time at
/// which this connection is admitted, and the `next` after it.
fn admit(now: Instant, next: Instant, interval: Duration, burst: u32) -> (Instant, Instant) {
    let next = next.max(now);
    let credit = interval * (burst - 1);
    let admitted = next.checked_sub(credit).map_or(now, |time| time.max(now));
    (admitted, next + interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_burst_then_one_per_interval() {
        let start = Instant::now();
        let mut next = start;
        let mut waits = Vec::new();
        for _ in 0..6 {
            let (admitted, after) = admit(start, next, 50 * MS, 3);
            waits.push((admitted - start).as_millis());
            next = after;
        }
        assert_eq!(waits, [0, 0, 0, 50, 100, 150]);
        // After a pause the whole burst is available again, and not more.
        let later = start + Duration::from_secs(9);
        let mut waits = Vec::new();
        for _ in 0..4 {
            let (admitted, after) = admit(later, next, 50 * MS, 3);
            waits.push((admitted - later).as_millis());
            next = after;
        }
        assert_eq!(waits, [0, 0, 0, 50]);
    }

    #[test]
    fn never_more_than_the_rate_allows_in_any_second() {
        let start = Instant::now();
        let (mut now, mut next) = (start, start);
        let mut admitted = Vec::new();
        for step in 0..2_000u32 {
            now += Duration::from_micros(u64::from(step * 7919 % 9000));
            let (time, after) = admit(now, next, Duration::from_secs(1) / 20, 10);
            next = after;
            admitted.push(time);
        }
        for (index, first) in admitted.iter().enumerate() {
            let within =
                admitted[index..].iter().take_while(|time| **time < *first + Duration::from_secs(1)).count();
            assert!(within <= 30, "{within} in a second");
        }
    }

    /// Polls once, then drops: a caller that gives up while it waits.
    async fn poll_once(acquire: impl Future<Output = ()>) -> Option<()> {
        let mut acquire = std::pin::pin!(acquire);
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match acquire.as_mut().poll(context) {
                std::task::Poll::Ready(()) => Some(()),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_gives_up_or_needs_no_connection_is_not_counted() {
        let limiter = RateLimiter::new(20, 1);
        limiter.acquire(|| true).await;
        for _ in 0..1_000 {
            assert_eq!(poll_once(limiter.acquire(|| true)).await, None);
        }
        let start = Instant::now();
        for _ in 0..1_000 {
            limiter.acquire(|| false).await;
        }
        limiter.acquire(|| true).await;
        assert!(start.elapsed() <= 50 * MS, "delayed by {:?}", start.elapsed());
    }
}
