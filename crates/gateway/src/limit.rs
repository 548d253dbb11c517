//! The limits of a listener: open sessions, logins a second, and times.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::Failure;

/// The pause after a failure to accept a client: 50 milliseconds. The usual cause, too many open files, passes when one ends.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The time that a peer has to take the last bytes of a connection: 5 seconds.
pub(crate) const LAST_BYTES: Duration = Duration::from_secs(5);

/// The limits of a listener.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "settings, given by name")]
pub struct Limits {
    /// The most sessions that are open or logging in. A client beyond them is refused.
    pub sessions: usize,
    /// The most logins a second, after a burst of as many. A client beyond them waits, for at most a third of `login`; who
    /// would have to wait longer is refused.
    pub logins_per_second: u32,
    /// The time limit of a login. MySQL's clients wait for their turn before it begins.
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
    /// The time of the next login without a burst, that of those who wait included.
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

    /// Waits until a login may begin, if `gone` does not end before.
    ///
    /// # Errors
    /// Returns [`Failure::TooFast`] at once if too many wait, and [`Failure::ClientGone`].
    pub(crate) async fn login(&self, gone: impl Future<Output = ()>) -> Result<(), Failure> {
        let per_second = self.limits.logins_per_second.max(1);
        let interval = Duration::from_secs(1) / per_second;
        let now = Instant::now();
        let admitted = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let (admitted, after) = admit(now, *next, interval, per_second);
            // The rest of the time is for the login itself.
            if admitted - now > self.limits.login / 3 {
                return Err(Failure::TooFast { per_second });
            }
            *next = after;
            admitted
        };
        let turn = async {
            // A timer takes a millisecond for nothing.
            if admitted > now {
                sleep_until(admitted).await;
            }
        };
        tokio::select! {
            // Who has gone already is noticed first.
            biased;
            () = gone => {
                // Those who come later need not wait for its turn.
                *self.next.lock().unwrap_or_else(PoisonError::into_inner) -= interval;
                Err(Failure::ClientGone)
            }
            () = turn => Ok(()),
        }
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
    use std::future::pending;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn logins_beyond_the_burst_wait() {
        let admission = Admission::new(Limits { logins_per_second: 10, ..Limits::default() });
        let started = Instant::now();
        for _ in 0..30 {
            admission.login(pending()).await.unwrap();
        }
        assert_eq!(started.elapsed().as_millis(), 2_000);
    }

    #[tokio::test(start_paused = true)]
    async fn who_would_wait_too_long_is_refused_at_once_and_one_who_leaves_gives_up_its_turn() {
        let limits = Limits { logins_per_second: 1, login: Duration::from_secs(9), ..Limits::default() };
        let admission = Admission::new(limits);
        let started = Instant::now();
        admission.login(pending()).await.unwrap();
        // The turns after one, two and three seconds, of whom the first two leave.
        let (one, two, three, late) = tokio::join!(
            admission.login(async { sleep(Duration::from_millis(100)).await }),
            admission.login(async { sleep(Duration::from_millis(100)).await }),
            admission.login(pending()),
            admission.login(pending()),
        );
        assert!(matches!(one, Err(Failure::ClientGone)) && matches!(two, Err(Failure::ClientGone)));
        assert!(matches!(late, Err(Failure::TooFast { per_second: 1 })));
        three.unwrap();
        assert_eq!(started.elapsed().as_secs(), 3);
        // Two turns were given back.
        admission.login(pending()).await.unwrap();
        assert_eq!(started.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn logins_within_the_burst_take_no_time() {
        let admission = Admission::new(Limits { logins_per_second: 10, ..Limits::default() });
        tokio::time::advance(Duration::from_micros(300)).await;
        let started = Instant::now();
        for _ in 0..10 {
            admission.login(pending()).await.unwrap();
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
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
