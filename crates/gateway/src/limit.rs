//! The limits of a listener: open sessions, logins a second, and times.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::Failure;

/// The limits of a listener.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "settings, given by name")]
pub struct Limits {
    /// The most sessions that are open or logging in. A client beyond them is refused.
    pub sessions: usize,
    /// The most logins a second, after a burst of as many. A client beyond them waits.
    pub logins_per_second: u32,
    /// The time limit from a client's connection to the end of its login.
    pub login: Duration,
    /// The time without a byte in either direction after which a session is closed. `None`: never.
    pub idle: Option<Duration>,
}

/// 500 sessions; 50 logins a second, a quarter of the 200 that RDS accepts for an instance; 30 seconds for a login; no limit
/// for idle sessions.
impl Default for Limits {
    fn default() -> Self {
        Self { sessions: 500, logins_per_second: 50, login: Duration::from_secs(30), idle: None }
    }
}

/// The sessions of a listener, and the pace of its logins.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: Limits,
    sessions: Arc<Semaphore>,
    /// The time of the next login without a burst. A waiting client holds the lock, so that they are admitted in order.
    next: Mutex<Instant>,
}

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        let sessions = limits.sessions.min(Semaphore::MAX_PERMITS);
        Self { limits, sessions: Arc::new(Semaphore::new(sessions)), next: Mutex::new(Instant::now()) }
    }

    /// Returns the permit of one session.
    ///
    /// # Errors
    /// Returns [`Failure::Full`] if all are taken.
    pub(crate) fn session(&self) -> Result<OwnedSemaphorePermit, Failure> {
        Arc::clone(&self.sessions)
            .try_acquire_owned()
            .map_err(|_| Failure::Full { limit: self.limits.sessions })
    }

    /// Returns whether another session would be admitted.
    pub(crate) fn has_room(&self) -> bool {
        self.sessions.available_permits() > 0
    }

    /// Waits until a login may begin.
    pub(crate) async fn login(&self) {
        let per_second = self.limits.logins_per_second.max(1);
        let interval = Duration::from_secs(1) / per_second;
        let mut next = self.next.lock().await;
        let (admitted, after) = admit(Instant::now(), *next, interval, per_second);
        tokio::time::sleep_until(admitted).await;
        *next = after;
    }
}

/// The generic cell rate algorithm. `next` is the time of the next login without a burst. Returns the time at which this
/// one is admitted, and the `next` after it.
fn admit(now: Instant, next: Instant, interval: Duration, burst: u32) -> (Instant, Instant) {
    let next = next.max(now);
    let credit = interval * (burst - 1);
    let admitted = next.checked_sub(credit).map_or(now, |time| time.max(now));
    (admitted, next + interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn logins_beyond_the_burst_wait_and_none_is_refused() {
        let admission = Admission::new(Limits { logins_per_second: 10, ..Limits::default() });
        let started = Instant::now();
        for _ in 0..30 {
            admission.login().await;
        }
        assert_eq!(started.elapsed().as_millis(), 2_000);
    }

    #[test]
    fn sessions_beyond_the_limit_are_refused_until_one_ends() {
        let admission = Admission::new(Limits { sessions: 2, ..Limits::default() });
        let first = admission.session().unwrap();
        let _second = admission.session().unwrap();
        assert!(matches!(admission.session(), Err(Failure::Full { limit: 2 })) && !admission.has_room());
        drop(first);
        assert!(admission.session().is_ok());
    }
}
